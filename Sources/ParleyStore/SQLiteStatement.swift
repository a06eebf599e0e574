internal import CSQLite

/// One prepared statement.
///
/// Bind from index 1 in order, then step; ``reset()`` before it is used again. Columns count from 0.
@safe
final class SQLiteStatement {
  private let statement: OpaquePointer
  private let database: SQLiteDatabase

  /// Takes over a prepared statement.
  init(_ statement: OpaquePointer, of database: SQLiteDatabase) {
    unsafe self.statement = statement
    self.database = database
  }

  deinit {
    unsafe sqlite3_finalize(statement)
  }

  /// A value to bind.
  enum Value {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])
  }

  /// Binds `values` to the parameters, runs the statement to its end and makes it ready again.
  func run(_ values: Value...) throws(StoreError) {
    defer { reset() }
    try bind(values)
    while try step() {}
  }

  /// Binds `values`, hands each row to `body`, and makes the statement ready again.
  func forEach(_ values: Value..., body: (Row) throws(StoreError) -> Void) throws(StoreError) {
    defer { reset() }
    try bind(values)
    while try step() { try body(Row(self)) }
  }

  /// Binds `values`, reads the first row, if any, and makes the statement ready again.
  func first<Result>(
    _ values: Value..., body: (Row) throws(StoreError) -> Result
  ) throws(StoreError) -> Result? {
    defer { reset() }
    try bind(values)
    guard try step() else { return nil }
    return try body(Row(self))
  }

  /// Binds `values` to the parameters from 1 on.
  func bind(_ values: [Value]) throws(StoreError) {
    for (index, value) in values.enumerated() {
      let code = bind(value, at: Int32(index + 1))
      guard code == SQLITE_OK else { throw database.error(code, operation: "bind") }
    }
  }

  private func bind(_ value: Value, at index: Int32) -> Int32 {
    // SQLITE_TRANSIENT: SQLite copies what it is given.
    let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    return switch value {
    case .null: unsafe sqlite3_bind_null(statement, index)
    case .integer(let integer): unsafe sqlite3_bind_int64(statement, index, integer)
    case .text(let text): unsafe sqlite3_bind_text(statement, index, text, Int32(text.utf8.count), transient)
    // An empty array may have no address, and that would bind NULL.
    case .blob(let bytes) where bytes.isEmpty: unsafe sqlite3_bind_zeroblob(statement, index, 0)
    case .blob(let bytes): unsafe sqlite3_bind_blob(statement, index, bytes, Int32(bytes.count), transient)
    }
  }

  /// Goes to the next row; `false` when there is none.
  func step() throws(StoreError) -> Bool {
    let code = unsafe sqlite3_step(statement)
    switch code {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw database.error(code, operation: "step")
    }
  }

  /// Makes the statement ready to be bound and run again.
  func reset() {
    // The result repeats the error of the last step, which was thrown.
    unsafe sqlite3_reset(statement)
    unsafe sqlite3_clear_bindings(statement)
  }

  /// The row that the statement stands on; good until the statement moves on.
  ///
  /// A column that does not hold the type asked for is damage: the tables are STRICT.
  struct Row {
    private let statement: SQLiteStatement

    init(_ statement: SQLiteStatement) { self.statement = statement }

    func integer(_ column: Int32) throws(StoreError) -> Int64 {
      try require(SQLITE_INTEGER, column)
      return unsafe sqlite3_column_int64(statement.statement, column)
    }

    func unsigned(_ column: Int32) throws(StoreError) -> UInt64 {
      guard let value = UInt64(exactly: try integer(column)) else {
        throw .corrupt(.file("a negative number where there can be none"))
      }
      return value
    }

    func text(_ column: Int32) throws(StoreError) -> String {
      try require(SQLITE_TEXT, column)
      let count = Int(unsafe sqlite3_column_bytes(statement.statement, column))
      guard let start = unsafe sqlite3_column_text(statement.statement, column),
        let text = unsafe String(validating: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
      else { throw .corrupt(.file("text that is not UTF-8")) }
      return text
    }

    func blob(_ column: Int32) throws(StoreError) -> [UInt8] {
      try require(SQLITE_BLOB, column)
      let count = Int(unsafe sqlite3_column_bytes(statement.statement, column))
      guard count > 0, let start = unsafe sqlite3_column_blob(statement.statement, column) else { return [] }
      return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }

    func isNull(_ column: Int32) -> Bool {
      unsafe sqlite3_column_type(statement.statement, column) == SQLITE_NULL
    }

    private func require(_ type: Int32, _ column: Int32) throws(StoreError) {
      guard unsafe sqlite3_column_type(statement.statement, column) == type else {
        throw .corrupt(.file("a value of another type than its column's"))
      }
    }
  }
}
