/// What is wrong with a statement: always its sender's doing, and what a Reject or Decline answers.
public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The code of the answer.
  public let code: NegotiationCode
  /// 0 the whole statement, `i` element i of the header from 1, `100 + i` element i of the payload.
  public let field: UInt8
  /// For a person; at most 128 bytes.
  public let text: String

  /// Creates a fault.
  ///
  /// - Precondition: `text` has at most 128 bytes of UTF-8.
  public init(_ code: NegotiationCode, field: UInt8 = 0, _ text: String = "") {
    precondition(text.utf8.count <= Reject.textByteLimit)
    self.code = code
    self.field = field
    self.text = text
  }

  /// The code, the field and the text in one line.
  public var description: String {
    "\(code)\(field == 0 ? "" : " in field \(field)")\(text.isEmpty ? "" : ": \(text)")"
  }
}
