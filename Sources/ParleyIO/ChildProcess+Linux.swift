internal import Glibc

/// A program that this process has started.
///
/// It inherits three descriptors and nothing else of note: signals that this process holds back or ignores come to it as
/// usual.
public final class ChildProcess: Sendable {
  /// The operating system's number of the process.
  public let identifier: Int32

  private let status = Locked<Int32?>(nil)

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: The path of its file.
  ///   - arguments: Its words, without the program's own name.
  ///   - environment: Its variables, as `NAME=value`.
  ///   - standardInput: The descriptor that becomes its 0.
  ///   - standardOutput: The descriptor that becomes its 1.
  ///   - standardError: The descriptor that becomes its 2.
  /// - Throws: `system`.
  public init(
    program: String, arguments: [String], environment: [String], standardInput: Int32, standardOutput: Int32,
    standardError: Int32
  ) throws(IOError) {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    // From above the targets first: a source may be one of the targets.
    var duplicates: [CInt] = []
    defer { for descriptor in duplicates { close(descriptor) } }
    for (source, target) in [(standardInput, 0), (standardOutput, 1), (standardError, 2)] as [(CInt, CInt)] {
      let duplicate = fcntl(source, F_DUPFD_CLOEXEC, 10)
      guard duplicate >= 0 else { throw .last("fcntl") }
      duplicates.append(duplicate)
      unsafe posix_spawn_file_actions_adddup2(&actions, duplicate, target)
    }
    var none = sigset_t()
    var usual = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigemptyset(&usual)
    unsafe sigaddset(&usual, SIGPIPE)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &usual)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var words = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    var variables = unsafe environment.map { unsafe strdup($0) } + [nil]
    defer {
      for index in unsafe words.indices { unsafe free(words[index]) }
      for index in unsafe variables.indices { unsafe free(variables[index]) }
    }
    var number = pid_t()
    let error = unsafe posix_spawn(&number, program, &actions, &attributes, &words, &variables)
    guard error == 0 else { throw .system(call: "posix_spawn \(program)", errno: error) }
    identifier = number
  }

  /// Whether it has not been seen to end.
  public var isRunning: Bool { poll(WNOHANG) == nil }

  /// Asks it to end.
  public func terminate() { send(SIGTERM) }

  /// Ends it as a loss of power would.
  public func kill() { send(SIGKILL) }

  /// Waits until it has ended; blocks the calling thread.
  ///
  /// - Returns: Its exit code, or 128 and the number of the signal that ended it.
  @discardableResult
  public func wait() -> Int32 {
    while true {
      if let code = poll(WNOHANG) { return code }
      usleep(2_000)
    }
  }

  private func send(_ signal: CInt) {
    // Under the lock: the number may not be reaped, and used again, in between.
    status.withLock { if $0 == nil { Glibc.kill(identifier, signal) } }
  }

  private func poll(_ options: CInt) -> Int32? {
    status.withLock { status in
      if let status { return status }
      var raw: CInt = 0
      guard unsafe waitpid(identifier, &raw, options) == identifier else { return nil }
      let signal = raw & 0x7F
      status = signal == 0 ? (raw >> 8) & 0xFF : 128 + signal
      return status
    }
  }
}
