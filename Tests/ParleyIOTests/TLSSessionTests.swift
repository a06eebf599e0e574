import Glibc
import ParleyWebSocket
import Testing

@testable import ParleyIO

/// Sessions alone, at the ends of a socket pair.
@Suite("TLS sessions", .enabled(if: Tool.hasPython, Tool.absence))
struct TLSSessionTests {
  /// Sessions after their handshake.
  func withPair(
    _ configure: (inout TLSServerConfiguration, inout TLSClientConfiguration) -> Void = { _, _ in },
    _ body: (SessionPair) throws -> Void
  ) async throws {
    let files = try await TLSFiles()
    var serving = files.serverConfiguration("both")
    var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
    configure(&serving, &dialling)
    let pair = try SessionPair(TLSServerContext(serving), TLSClientContext(dialling))
    defer { pair.close() }
    let progress = pair.handshake()
    try #require(progress == (.done, .done))
    try body(pair)
  }

  @Test("both ends see the same parameters and exporter")
  func agreement() async throws {
    try await withPair { pair in
      let expected = ConnectionInfo.TLSParameters(
        version: "TLSv1.3", group: "X25519MLKEM768", applicationProtocol: "http/1.1", isResumed: false)
      #expect(pair.server.parameters == expected)
      #expect(pair.client.parameters == expected)
      #expect(pair.server.exporter()?.count == 32)
      #expect(pair.server.exporter() == pair.client.exporter())
      // The server's certificate is the client's to see, and no other way round.
      #expect(pair.client.peerCertificate()?.dnsNames == ["localhost"])
      #expect(pair.server.peerCertificate() == nil)
    }
  }

  @Test("records that came together come out of one call")
  func coalesced() async throws {
    try await withPair { pair in
      for byte in UInt8(0)..<10 { #expect(pair.client.send([byte]) == .count(1)) }
      #expect(pair.server.receive().1 == Array(0..<10))
      #expect(!pair.server.hasPending)
      #expect(pair.server.receive().0 == .wouldBlock)
    }
  }

  @Test("what does not fit the buffer is pending, and comes next")
  func pending() async throws {
    try await withPair { pair in
      #expect(pair.client.send(Array(0..<100)) == .count(100))
      #expect(pair.client.send([100, 101]) == .count(2))
      #expect(pair.server.receive(atMost: 40).1 == Array(0..<40))
      #expect(pair.server.hasPending)
      #expect(pair.server.receive(atMost: 60).1 == Array(40..<100))
      // The second record is here, still sealed.
      #expect(pair.server.hasPending)
      #expect(pair.server.receive(atMost: 60).1 == [100, 101])
      #expect(!pair.server.hasPending)
    }
  }

  @Test("half a record is not pending: only the socket can bring the rest")
  func halfRecord() async throws {
    try await withPair { pair in
      #expect(pair.client.send([1, 2, 3]) == .count(3))
      // Take the record off the wire, and put it back in two parts.
      var record = [UInt8](repeating: 0, count: 1000)
      let count = recv(pair.serverFD, &record, record.count, 0)
      try #require(count > 10)
      #expect(Glibc.send(pair.clientFD, record, 7, 0) == 7)
      #expect(pair.server.receive().0 == .wouldBlock)
      #expect(!pair.server.hasPending)
      #expect(Glibc.send(pair.clientFD, Array(record[7..<count]), count - 7, 0) == count - 7)
      #expect(pair.server.receive().1 == [1, 2, 3])
    }
  }

  @Test("a close_notify is an end; a stream that just stops is a connection lost, and bytes before it are not")
  func truncation() async throws {
    try await withPair { pair in
      #expect(pair.client.send([1, 2]) == .count(2))
      #expect(pair.client.closeNotify() == .end)
      #expect(pair.server.receive().1 == [1, 2])
      #expect(pair.server.hasPending)
      #expect(pair.server.receive().0 == .end)
      #expect(pair.server.receive().0 == .end)
      // This side may go on.
      #expect(pair.server.send([3]) == .count(1))
      #expect(pair.client.receive().1 == [3])
    }
    try await withPair { pair in
      #expect(pair.client.send([1, 2]) == .count(2))
      shutdown(pair.clientFD, CInt(SHUT_RDWR))
      #expect(pair.server.receive().1 == [1, 2])
      #expect(pair.server.receive().0 == .failed(.connectionLost))
    }
    try await withPair { pair in
      shutdown(pair.clientFD, CInt(SHUT_RDWR))
      #expect(pair.server.receive().0 == .failed(.connectionLost))
      #expect(pair.server.send([1]) == .failed(.connectionLost))
    }
  }

  @Test("a close_notify that finds the socket full is said again once there is room")
  func fullSocket() async throws {
    try await withPair { pair in
      let noise = [UInt8](repeating: 0, count: 65_536)
      while Glibc.send(pair.serverFD, noise, noise.count, CInt(MSG_DONTWAIT)) > 0 {}
      #expect(pair.server.closeNotify() == .wantsWrite)
      var buffer = noise
      while recv(pair.clientFD, &buffer, buffer.count, CInt(MSG_DONTWAIT)) > 0 {}
      #expect(pair.server.closeNotify() == .end)
      // One record: a header, an alert with its kind, and a tag.
      #expect(recv(pair.clientFD, &buffer, buffer.count, CInt(MSG_DONTWAIT)) == 5 + 2 + 1 + 16)
    }
  }

  @Test("a record that was tampered with ends the session")
  func tampered() async throws {
    try await withPair { pair in
      #expect(pair.client.send([1, 2, 3]) == .count(3))
      var record = [UInt8](repeating: 0, count: 1000)
      let count = recv(pair.serverFD, &record, record.count, 0)
      record[6] ^= 1
      #expect(Glibc.send(pair.clientFD, record, count, 0) == count)
      #expect(pair.server.receive().0 == .failed(.tls("decryption failed or bad record mac")))
    }
  }

  @Test("a peer that does not read stops the sender, which goes on where it was", arguments: [true, false])
  func backPressure(hasTickets: Bool) async throws {
    try await withPair { serving, dialling in
      serving.issuesTickets = hasTickets
      dialling.keepsTickets = hasTickets
    } _: { pair in
      let all = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
      var sent = 0
      var received: [UInt8] = []
      var blocked = 0
      while received.count < all.count {
        // A copy each time: where the bytes lie may change.
        while sent < all.count {
          guard case .count(let count) = pair.server.send(Array(all[sent..<min(sent + 200_000, all.count)])) else {
            break
          }
          sent += count
        }
        blocked += sent < all.count ? 1 : 0
        let (result, bytes) = pair.client.receive(atMost: 50_000)
        guard case .count = result else {
          Issue.record("\(result) after \(received.count)")
          return
        }
        received += bytes
      }
      #expect(received == all)
      #expect(blocked > 1)
    }
  }

  @Test("one call reads no more than a few buffers of a peer that never stops")
  func boundedRead() async throws {
    try await withPair { pair in
      let chunk = [UInt8](repeating: 7, count: 16_384)
      var size: CInt = 1 << 22
      for fd in [pair.clientFD, pair.serverFD] {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, 4)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, 4)
      }
      var sent = 0
      while case .count(let count) = pair.client.send(chunk), sent < 4 << 20 { sent += count }
      try #require(sent > 200_000)
      let (_, first) = pair.server.receive(atMost: 4 << 20)
      #expect(first.count <= 4 * TLSLibrary.readBufferByteCount)
      #expect(first.count >= 3 * 16_384)
      // The socket reports what is left; the session need not.
      #expect(!pair.server.hasPending)
    }
  }

  @Test("an endpoint that has no extended master secret is refused under TLS 1.2")
  func extendedMasterSecret() async throws {
    let files = try await TLSFiles()
    var configuration = files.serverConfiguration("both")
    configuration.minimumVersion = .tls12
    let tls = try TLSServerContext(configuration)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls)
      // SSL_OP_NO_EXTENDED_MASTER_SECRET.
      let lacking = try await probe(server.port, files, ProbeWish(newest: "TLSv1_2", options: 1))
      #expect(lacking[0].status != "101")
      #expect(
        await eventually { server.refusals == [.tls("the peer does not know the extended master secret")] })
      #expect(try await probe(server.port, files, ProbeWish(newest: "TLSv1_2"))[0].status == "101")
    }
  }
}
