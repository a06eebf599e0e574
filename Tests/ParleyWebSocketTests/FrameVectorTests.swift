import Foundation
import ParleyWire
import Testing

@testable import ParleyWebSocket

/// One row of `Vectors/frames.json`.
struct FrameVector: Decodable, CustomTestStringConvertible {
  let name, receiver, hex: String
  let expect, reply: String?

  var testDescription: String { name }

  static let all: [FrameVector] = {
    let url = Bundle.module.url(forResource: "Vectors/frames", withExtension: "json")!
    return try! JSONDecoder().decode([FrameVector].self, from: Data(contentsOf: url))
  }()
}

@Suite("Frame vectors")
struct FrameVectorTests {
  @Test(arguments: FrameVector.all)
  func receive(vector: FrameVector) throws {
    let bytes = try #require([UInt8](hex: vector.hex))
    var endpoint = Endpoint(vector.receiver == "server" ? .server : .client)
    endpoint.receive(bytes)
    let seen = endpoint.seen.map { seen in
      switch seen {
      case .text(let text): "text \(text)"
      case .binary(let payload): "binary \(payload.hex)"
      case .close(let code, let reason): "close \(code.rawValue) \(reason)"
      case .failure(let error): "\(error)"
      }
    }
    #expect(seen == (vector.expect.map { [$0] } ?? []))
    let reply = endpoint.output.hex
    #expect(reply == vector.reply ?? "")
  }
}
