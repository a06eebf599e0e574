internal import CLinux
internal import Glibc

/// A signal that asks a process to end.
public enum TerminationSignal: CInt, Hashable, Sendable, CaseIterable {
  /// A person at the terminal, with Control-C.
  case interrupt = 2
  /// Another program, such as a service manager.
  case terminate = 15
}

/// Turns signals into calls on a loop.
public enum Signals {
  /// Keeps the termination signals from ending this process, so that a ``SignalWatcher`` sees them.
  ///
  /// Call it first thing in `main`, before any other thread exists: threads inherit the mask of the one that starts
  /// them, and a signal goes to any thread that has not blocked it.
  public static func holdTerminationSignals() {
    _ = unsafe parley_block_signals(numbers, CInt(numbers.count))
  }

  /// Makes a write to a closed connection an error instead of the end of the process.
  static func ignoreBrokenPipes() { _ = brokenPipesAreIgnored }

  private static let brokenPipesAreIgnored: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

  fileprivate static let numbers = TerminationSignal.allCases.map(\.rawValue)
}

/// Tells a loop when this process is asked to end, for as long as the watcher lives or the loop runs.
///
/// - Precondition: ``Signals/holdTerminationSignals()`` was called before other threads started.
public final class SignalWatcher: EventHandler, @unchecked Sendable {
  private let fd: CInt
  private let onSignal: @Sendable (TerminationSignal) -> Void

  /// Starts to watch.
  ///
  /// - Parameters:
  ///   - loop: where `onSignal` is called.
  ///   - onSignal: called for each signal.
  /// - Throws: `system`.
  public init(loop: EventLoop, onSignal: @escaping @Sendable (TerminationSignal) -> Void) throws(IOError) {
    fd = unsafe parley_signalfd(Signals.numbers, CInt(Signals.numbers.count))
    guard fd >= 0 else { throw .last("signalfd") }
    self.onSignal = onSignal
    loop.execute { _ = try? loop.register(self.fd, events: PARLEY_EPOLL_IN, self) }
  }

  deinit { Descriptor.close(fd) }

  func handle(events _: UInt32) {
    while let signal = TerminationSignal(rawValue: parley_signalfd_take(fd)) { onSignal(signal) }
  }

  func endOfTurn() {}
  func loopDidEnd() {}
}
