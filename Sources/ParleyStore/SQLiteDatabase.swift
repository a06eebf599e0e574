internal import CSQLite

/// One connection to a SQLite database, for one thread at a time.
///
/// Statements are `StaticString`s: no value is ever spliced into SQL, it is bound.
@safe
final class SQLiteDatabase {
  /// How a database is opened.
  enum Mode {
    /// To read and write; the file exists.
    case readWrite
    /// Only to read.
    case readOnly
  }

  let path: String
  private let handle: OpaquePointer

  /// Opens an existing file.
  init(path: String, mode: Mode) throws(StoreError) {
    var opened: OpaquePointer?
    let access = mode == .readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
    let code = unsafe sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard code == SQLITE_OK, let handle = unsafe opened else {
      let error = unsafe Self.error(code, on: opened, path: path, operation: "open")
      unsafe sqlite3_close_v2(opened)
      throw error
    }
    self.path = path
    unsafe self.handle = handle
  }

  deinit {
    // Statements keep the connection alive until they are gone themselves.
    unsafe sqlite3_close_v2(handle)
  }

  /// Runs statements that return nothing of interest.
  func execute(_ sql: StaticString) throws(StoreError) {
    let code = unsafe sqlite3_exec(
      handle, UnsafeRawPointer(sql.utf8Start).assumingMemoryBound(to: CChar.self), nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code, operation: "execute") }
  }

  /// Prepares one statement that will be used often.
  func prepare(_ sql: StaticString) throws(StoreError) -> SQLiteStatement {
    var prepared: OpaquePointer?
    let text = unsafe UnsafeRawPointer(sql.utf8Start).assumingMemoryBound(to: CChar.self)
    let code = unsafe sqlite3_prepare_v3(
      handle, text, Int32(sql.utf8CodeUnitCount), UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
    guard code == SQLITE_OK, let statement = unsafe prepared else { throw error(code, operation: "prepare") }
    return unsafe SQLiteStatement(statement, of: self)
  }

  /// Runs `body` between BEGIN IMMEDIATE and COMMIT.
  ///
  /// If anything throws, the commit included, the transaction is rolled back and the error thrown on.
  func transaction<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
    try execute("BEGIN IMMEDIATE")
    do throws(StoreError) {
      let result = try body()
      try execute("COMMIT")
      return result
    } catch {
      // SQLite may have rolled back already; that it then complains says nothing new.
      try? execute("ROLLBACK")
      throw error
    }
  }

  /// Runs `body` over one unchanging state of the database.
  func snapshot<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
    try execute("BEGIN")
    do throws(StoreError) {
      let result = try body()
      try execute("COMMIT")
      return result
    } catch {
      try? execute("ROLLBACK")
      throw error
    }
  }

  /// How long to wait for another connection's lock, in milliseconds.
  func setBusyTimeout(milliseconds: Int32) {
    unsafe sqlite3_busy_timeout(handle, milliseconds)
  }

  /// The number of rows that the last INSERT, UPDATE or DELETE touched.
  var changes: Int64 { unsafe sqlite3_changes64(handle) }

  /// What a result code of this connection means.
  func error(_ code: Int32, operation: String) -> StoreError {
    unsafe Self.error(code, on: handle, path: path, operation: operation)
  }

  private static func error(_ code: Int32, on handle: OpaquePointer?, path: String, operation: String) -> StoreError {
    let message = unsafe handle == nil ? String(cString: sqlite3_errstr(code)) : String(cString: sqlite3_errmsg(handle))
    return switch code & 0xFF {
    case SQLITE_FULL: .diskFull(path: path)
    case SQLITE_READONLY, SQLITE_PERM: .readOnly(path: path)
    case SQLITE_BUSY, SQLITE_LOCKED: .inUse(path: path)
    case SQLITE_NOTADB: .notAJournal(path: path)
    case SQLITE_CORRUPT: .corrupt(.file(message))
    default: .failed(operation: operation, code: code, message: message)
    }
  }
}
