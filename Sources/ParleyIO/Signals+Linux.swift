internal import CLinux
internal import Glibc

/// A signal that another program, or a person at the terminal, has for a server.
public enum ProcessSignal: CInt, Hashable, Sendable, CaseIterable {
  /// The terminal is gone; by custom, what asks a server to read its files again.
  case hangUp = 1
  /// A person at the terminal, with Control-C.
  case interrupt = 2
  /// Another program, such as a service manager, asks the process to end.
  case terminate = 15
}

/// What becomes of signals in this process.
enum Signals {
  /// Makes a write to a closed connection an error instead of the end of the process.
  static func ignoreBrokenPipes() { _ = brokenPipesAreIgnored }

  private static let brokenPipesAreIgnored: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

  /// How many watchers each signal has.
  private static let watchers = Locked<[ProcessSignal: Int]>([:])

  /// Has a signal counted, and gives a descriptor of the count.
  fileprivate static func beginCounting(_ signal: ProcessSignal) throws(IOError) -> CInt {
    let fd = watchers.withLock { watchers in
      let fd = parley_signal_counter(signal.rawValue)
      if fd >= 0 { watchers[signal, default: 0] += 1 }
      return fd
    }
    guard fd >= 0 else { throw .last("sigaction") }
    return fd
  }

  fileprivate static func endCounting(_ signal: ProcessSignal, _ fd: CInt) {
    Descriptor.close(fd)
    watchers.withLock { watchers in
      watchers[signal, default: 0] -= 1
      if watchers[signal] == 0 { parley_signal_default(signal.rawValue) }
    }
  }
}

extension EventLoop {
  /// Has `body` called on this loop when one of these signals comes to the process, once for several of a kind that come
  /// close together.
  ///
  /// Until the loop ends the signals do nothing else. They may come to any thread: they are handled, not held back, for the
  /// main thread of a program whose `main` is `async` holds nothing back, whatever it was told. The loop's own thread
  /// takes them in any case; threads of Dispatch's do not.
  ///
  /// - Throws: `system`.
  public func watch(
    _ signals: Set<ProcessSignal>, _ body: @escaping @Sendable (ProcessSignal) -> Void
  ) throws(IOError) {
    for signal in signals {
      let watcher = try SignalWatcher(signal, onSignal: body)
      // The loop holds the watcher from then on.
      execute {
        _ = try? self.register(watcher.fd, events: PARLEY_EPOLL_IN, watcher)
        parley_signal_admit(signal.rawValue)
      }
    }
  }
}

/// The count of one signal, on a loop.
private final class SignalWatcher: EventHandler, @unchecked Sendable {
  let fd: CInt
  private let signal: ProcessSignal
  private let onSignal: @Sendable (ProcessSignal) -> Void

  init(_ signal: ProcessSignal, onSignal: @escaping @Sendable (ProcessSignal) -> Void) throws(IOError) {
    fd = try Signals.beginCounting(signal)
    self.signal = signal
    self.onSignal = onSignal
  }

  deinit { Signals.endCounting(signal, fd) }

  func handle(events _: UInt32) {
    // Of several watchers one reads the count.
    if Descriptor.readCounter(fd) { onSignal(signal) }
  }

  func wake() {}
  func endOfTurn() {}
  func loopDidEnd() {}
}
