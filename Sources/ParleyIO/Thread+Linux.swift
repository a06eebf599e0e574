internal import Glibc

/// Threads of this module's own: loops, and look-ups that block.
enum Thread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// A number that no other living thread has.
  static var currentNumber: UInt { UInt(pthread_self()) }

  /// Starts a thread.
  ///
  /// It must be joined, unless `isDetached`.
  static func start(isDetached: Bool = false, _ body: @escaping @Sendable () -> Void) throws(IOError) -> pthread_t {
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(Body(body))
    let result = unsafe pthread_create(
      &thread, nil,
      { context in
        guard let context = unsafe context else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard result == 0 else {
      unsafe context.release()
      throw .system(call: "pthread_create", errno: result)
    }
    if isDetached { pthread_detach(thread) }
    return thread
  }

  static func join(_ thread: pthread_t) { pthread_join(thread, nil) }
}
