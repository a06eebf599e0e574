internal import ParleyWebSocket
internal import ParleyWire

/// A stream of lines on a Unix socket.
///
/// Loop thread only.
public final class LineConnection: @unchecked Sendable {
  /// Bytes of the longest line, without its end.
  public static let maximumLineByteCount = 1 << 20

  /// The loop that the connection lives on.
  public let loop: EventLoop

  private let stream: StreamSocket
  private var onLine: (([UInt8]) -> Void)?
  private var onClose: ((IOError?) -> Void)?
  private var onEnd: ((LineConnection) -> Void)?
  private var partial: [UInt8] = []
  /// Whether it has ended: nothing more is sent or received.
  public private(set) var isClosed = false
  private var error: IOError?

  init(loop: EventLoop, fd: CInt) {
    self.loop = loop
    stream = StreamSocket(loop: loop, fd: fd, isConnected: true, tls: nil, limits: Self.limits)
  }

  private static let limits: SharedLimits = {
    var limits = WebSocketLimits()
    // A person's terminal may hold the other end: lines may wait longer, and more of them.
    limits.maximumBufferedByteCount = 16 << 20
    limits.stallTimeout = .seconds(60)
    return SharedLimits(limits)
  }()

  func attach(onEnd: @escaping (LineConnection) -> Void) { self.onEnd = onEnd }

  /// Begins to receive.
  ///
  /// - Parameters:
  ///   - onLine: called for each line, without its end.
  ///   - onClose: called once, last; with `nil` after an orderly end.
  /// - Precondition: called once.
  public func start(
    onLine: @escaping @Sendable ([UInt8]) -> Void, onClose: @escaping @Sendable (IOError?) -> Void
  ) {
    loop.checkIsolated()
    precondition(self.onLine == nil, "a connection starts once")
    self.onLine = onLine
    self.onClose = onClose
    stream.start(owner: self)
    stream.setReading(true)
  }

  /// Sends one line; its end is added.
  ///
  /// - Returns: `false` when the connection has ended.
  /// - Precondition: no line feed in `line`.
  @discardableResult
  public func send(line: [UInt8]) -> Bool {
    loop.checkIsolated()
    precondition(Descriptor.lineEnd(in: line.rawSpan, from: 0) == nil)
    guard !isClosed else { return false }
    stream.write { output in
      output.append(contentsOf: line)
      output.append(UInt8(ascii: "\n"))
    }
    return true
  }

  /// Sends what waits, then ends the connection.
  public func close() {
    loop.checkIsolated()
    stream.finish(within: .seconds(2))
  }
}

extension LineConnection: StreamOwner {
  func streamDidReceive(_ bytes: inout MutableRawSpan) {
    var start = 0
    let span = bytes.bytes
    while let index = Descriptor.lineEnd(in: span, from: start) {
      guard append(span.extracting(start..<index)) else { return }
      start = index &+ 1
      let line = partial
      partial = []
      onLine?(line)
      guard !isClosed else { return }
    }
    _ = append(span.extracting(start..<span.byteCount))
  }

  private func append(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount <= Self.maximumLineByteCount &- partial.count else {
      error = .lineTooLong(limit: Self.maximumLineByteCount)
      stream.abort(nil)
      return false
    }
    partial.append(contentsOf: bytes)
    return true
  }

  func streamDidEnd() {
    // What was asked may still be answered: the other side has only ended its half.
    if !partial.isEmpty { error = .connectionLost }
    stream.finish(within: .seconds(2))
  }

  func streamDidClose(_ error: IOError?) {
    isClosed = true
    onEnd?(self)
    onEnd = nil
    let report = onClose
    onLine = nil
    onClose = nil
    report?(self.error ?? error)
  }
}
