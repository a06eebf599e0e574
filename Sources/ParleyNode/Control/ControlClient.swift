internal import ParleyIO
public import ParleyWire

/// Asks a running node over its control socket.
public struct ControlClient: Sendable {
  private let home: NodeHome

  /// Addresses the node that runs in `home`.
  public init(home: NodeHome) { self.home = home }

  /// Sends one request and waits for its answer.
  ///
  /// - Throws: the node's ``ControlError``, or ``ControlError/Code/nodeAbsent``.
  public func call(_ method: String, _ parameters: JSONObject = JSONObject()) async throws(ControlError) -> JSONValue {
    let request: JSONValue = [
      "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": .object(parameters),
    ]
    let answer = try await exchange(Array(request.serialized().utf8))
    guard let value = try? JSONValue.parse(answer, limits: Self.limits) else {
      throw ControlError(.failed, "the node's answer could not be read")
    }
    if let error = value["error"] { throw ControlError(json: error) }
    guard let result = value["result"] else { throw ControlError(.failed, "the node's answer has no result") }
    return result
  }

  private static let limits = JSONLimits(byteCount: LineConnection.maximumLineByteCount)

  private func exchange(_ line: [UInt8]) async throws(ControlError) -> [UInt8] {
    let loop: EventLoop
    do {
      loop = try EventLoop()
    } catch {
      throw ControlError(.failed, "\(error)")
    }
    defer { loop.shutDown() }
    let connection: LineConnection
    do {
      connection = try UnixSocketClient.connect(to: home.controlSocketPath, on: loop)
    } catch {
      throw ControlError(
        .nodeAbsent, "no node is running in \(home.path)", hint: "start one with 'parley up' or 'parley maker'")
    }
    let answer = await withCheckedContinuation { continuation in
      let once = Once(continuation)
      loop.execute {
        connection.start(onLine: { once.resume($0) }, onClose: { _ in once.resume(nil) })
        connection.send(line: line)
      }
    }
    guard let answer else { throw ControlError(.failed, "the node ended the connection without an answer") }
    return answer
  }
}

/// A continuation that the first of several callbacks resumes; they all come on one loop.
private final class Once: @unchecked Sendable {
  private var continuation: CheckedContinuation<[UInt8]?, Never>?

  init(_ continuation: CheckedContinuation<[UInt8]?, Never>) { self.continuation = continuation }

  func resume(_ answer: [UInt8]?) {
    continuation?.resume(returning: answer)
    continuation = nil
  }
}
