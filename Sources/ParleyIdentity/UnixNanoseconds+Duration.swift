import ParleyWire

extension UnixNanoseconds {
  /// The time so much later, stopping at the ends of the range rather than trapping.
  func advanced(by duration: Duration) -> Self {
    let (seconds, attoseconds) = duration.components
    let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return advanced(byNanoseconds: seconds > 0 ? .max : .min) }
    return advanced(byNanoseconds: nanoseconds).advanced(byNanoseconds: attoseconds / 1_000_000_000)
  }
}
