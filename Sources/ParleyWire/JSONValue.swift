/// A JSON value.
///
/// A number without fraction and exponent that fits is `integer`, exactly; every other one is `number`. Equality is
/// by bytes for strings (see `hasSameBytes(as:)`) and by case: `integer(1) != number(1)`.
public enum JSONValue: Hashable, Sendable {
  /// `null`
  case null
  /// `true` or `false`
  case bool(Bool)
  /// A number written as an integer.
  case integer(Int64)
  /// Any other number.
  case number(Double)
  /// A string.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object.
  case object(JSONObject)

  /// Whether both are the same value.
  public static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.integer(let left), .integer(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    case (.null, _), (.bool, _), (.integer, _), (.number, _), (.string, _), (.array, _), (.object, _): false
    }
  }
}

/// The members of a JSON object in the order in which they were written; no name occurs twice.
///
/// Lookup takes time in the number of members. Equality heeds the order.
public struct JSONObject: Hashable, Sendable {
  /// A name and its value.
  public struct Member: Hashable, Sendable {
    /// The name.
    public var key: String
    /// The value.
    public var value: JSONValue

    /// Creates a member.
    public init(key: String, value: JSONValue) {
      self.key = key
      self.value = value
    }

    /// Whether both are the same bytes of name and the same value.
    public static func == (left: Self, right: Self) -> Bool {
      left.key.hasSameBytes(as: right.key) && left.value == right.value
    }
  }

  /// The members in order.
  public private(set) var members: [Member]

  /// Creates an object without members.
  public init() { members = [] }

  /// For the parser, which has looked for duplicates.
  init(unique members: [Member]) { self.members = members }

  /// How many members there are.
  public var count: Int { members.count }

  /// The names in order.
  public var keys: [String] { members.map(\.key) }

  /// The value of the name with exactly these bytes.
  ///
  /// Setting a new name appends it; setting `nil` removes it.
  public subscript(key: String) -> JSONValue? {
    get { members.first { $0.key.hasSameBytes(as: key) }?.value }
    set {
      let index = members.firstIndex { $0.key.hasSameBytes(as: key) }
      switch (index, newValue) {
      case (let index?, let value?): members[index].value = value
      case (let index?, nil): members.remove(at: index)
      case (nil, let value?): members.append(Member(key: key, value: value))
      case (nil, nil): break
      }
    }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// Creates an object from a literal.
  ///
  /// - Precondition: no key occurs twice.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self.init()
    for (key, value) in elements {
      precondition(self[key] == nil, "a key occurs twice")
      self[key] = value
    }
  }
}

// MARK: Looking inside

extension JSONValue {
  /// The boolean; `nil` for another kind of value.
  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The text; `nil` for another kind of value.
  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The integer, however it was written (`1`, `1.0`, `1e0`); `nil` for a number that is not one, that does not fit
  /// or that a double no longer holds exactly, and for another kind of value.
  public var int64Value: Int64? {
    switch self {
    case .integer(let value): value
    case .number(let value) where value.magnitude <= 0x20_0000_0000_0000: Int64(exactly: value)
    default: nil
    }
  }

  /// The number, rounded if it is a large integer; `nil` for another kind of value.
  public var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The elements; `nil` for another kind of value.
  public var arrayValue: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The members; `nil` for another kind of value.
  public var objectValue: JSONObject? {
    if case .object(let value) = self { value } else { nil }
  }

  /// The member of that name; `nil` where this is no object or has none.
  public subscript(key: String) -> JSONValue? { objectValue?[key] }

  /// The element at that place; `nil` where this is no array or has none.
  public subscript(index: Int) -> JSONValue? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }
}

// MARK: Literals

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// Creates a boolean.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// Creates an integer.
  public init(integerLiteral value: Int64) { self = .integer(value) }

  /// Creates a number.
  public init(floatLiteral value: Double) { self = .number(value) }

  /// Creates a string.
  public init(stringLiteral value: String) { self = .string(value) }

  /// Creates an array.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

  /// Creates an object.
  ///
  /// - Precondition: no key occurs twice.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (key, value) in elements {
      precondition(object[key] == nil, "a key occurs twice")
      object[key] = value
    }
    self = .object(object)
  }
}
