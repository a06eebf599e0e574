import Foundation
import Glibc
import ParleyCrypto
import ParleyWebSocket
import ParleyWire
import Testing

@testable import ParleyIO

/// The files that `make_certificate.py` wrote.
struct TLSFiles: Sendable {
  private let folder: TemporaryFolder

  init() async throws { folder = try await TestCertificate.all.value }

  func certificate(_ name: String) -> String { folder.file("\(name).pem") }
  func key(_ name: String) -> String { folder.file("\(name).key") }
  func sealedKey(_ name: String) -> String { folder.file("\(name).sealed-key") }
  func authority(_ name: String) -> String { folder.file("\(name)-ca.pem") }
  func identity(_ name: String) -> TLSIdentity {
    TLSIdentity(certificateFile: certificate(name), privateKeyFile: key(name))
  }

  /// SHA-256 of a certificate's DER, in hexadecimal.
  func fingerprint(_ name: String) throws -> String {
    let text = try String(contentsOfFile: certificate(name), encoding: .utf8)
    let body = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
    return SHA256.hash(try #require(Base64.decode(body))).hex
  }

  func serverConfiguration(_ names: String...) -> TLSServerConfiguration {
    TLSServerConfiguration(identities: names.map(identity))
  }
}

/// What `tls_probe.py` says of one connection.
struct ProbeAnswer: Decodable {
  var error, status, version, cipher, alpn, certificate: String?
  var resumed, tickets: Bool?
}

/// What a Python client is to do; see `tls_probe.py`.
struct ProbeWish: Encodable {
  var host: String?
  var alpn: [String]?
  var certificate, key: String?
  var newest: String?
  var ciphers: String?
  var options: UInt64?
  var count: Int?
}

/// Has Python's `ssl` connect to a port.
func probe(_ port: UInt16, _ files: TLSFiles, _ wish: ProbeWish = ProbeWish()) async throws -> [ProbeAnswer] {
  let text = String(decoding: try JSONEncoder().encode(wish), as: UTF8.self)
  let script = try Script("tls_probe.py", [String(port), files.authority("both"), text])
  let (output, status) = await script.finish()
  try #require(status == 0, "\(output)")
  return try output.split(separator: "\n").map {
    try JSONDecoder().decode(ProbeAnswer.self, from: Data($0.utf8))
  }
}

/// Two sessions on the ends of a socket pair, without a loop.
struct SessionPair {
  let server, client: TLSSession
  let serverFD, clientFD: CInt

  init(_ server: TLSServerContext, _ client: TLSClientContext, host: String = "localhost") throws {
    var ends: [CInt] = [0, 0]
    try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
    (serverFD, clientFD) = (ends[0], ends[1])
    self.server = try TLSSession(server: server, fd: ends[0])
    self.client = try TLSSession(client: client, fd: ends[1], host: host)
  }

  /// Lets both sides go on until neither can, and gives what each came to.
  func handshake() -> (server: TLSSession.Progress, client: TLSSession.Progress) {
    var last = (server: TLSSession.Progress.wantsRead, client: TLSSession.Progress.wantsRead)
    for _ in 0..<10 {
      if last.client == .wantsRead { last.client = client.handshake() }
      if last.server == .wantsRead { last.server = server.handshake() }
    }
    return last
  }

  func close() {
    Glibc.close(serverFD)
    Glibc.close(clientFD)
  }
}

extension TLSSession {
  func send(_ bytes: [UInt8]) -> Descriptor.Transfer { bytes.withUnsafeBytes { send($0) } }

  /// One call of `receive`, and the bytes that it gave.
  func receive(atMost count: Int = 65_536) -> (Descriptor.Transfer, [UInt8]) {
    var buffer = [UInt8](repeating: 0, count: count)
    let result = buffer.withUnsafeMutableBytes { receive(into: $0) }
    guard case .count(let received) = result else { return (result, []) }
    return (result, Array(buffer.prefix(received)))
  }
}
