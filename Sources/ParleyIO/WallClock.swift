internal import Glibc
public import ParleyWire

extension UnixNanoseconds {
  /// This machine's real-time clock, read now.
  public static var now: UnixNanoseconds {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UnixNanoseconds(Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
  }
}
