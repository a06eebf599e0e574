import Glibc
import ParleyWebSocket
import Testing

@testable import ParleyIO

/// Session tickets: none unless asked for, and what they may and may not do.
@Suite("TLS resumption", .enabled(if: Tool.hasPython, Tool.absence))
struct TLSResumptionTests {
  func configuration(_ files: TLSFiles, _ change: (inout TLSServerConfiguration) -> Void = { _ in })
    -> TLSServerConfiguration
  {
    var configuration = files.serverConfiguration("both")
    configuration.issuesTickets = true
    change(&configuration)
    return configuration
  }

  @Test("Python resumes where tickets are issued, and only there")
  func witness() async throws {
    let files = try await TLSFiles()
    let mutual = TLSClientCertificates.required(authorityFile: files.authority("client"))
    let cases: [(Bool, TLSClientCertificates, TLSVersion, String?, [Bool])] = [
      (true, .none, .tls13, nil, [false, true, true]),
      (false, .none, .tls13, nil, [false, false, false]),
      // With clients' certificates, each is verified each time.
      (true, mutual, .tls13, nil, [false, false, false]),
      // TLS 1.2 resumes nothing.
      (true, .none, .tls12, "TLSv1_2", [false, false, false]),
      (false, .none, .tls12, "TLSv1_2", [false, false, false]),
    ]
    for (issuesTickets, clients, version, newest, resumed) in cases {
      let tls = try TLSServerContext(
        configuration(files) {
          $0.issuesTickets = issuesTickets
          $0.clientCertificates = clients
          $0.minimumVersion = version
        })
      try await withLoop { loop in
        let server = try EchoServer(loop, tls: tls)
        let wish = ProbeWish(
          certificate: files.certificate("client"), key: files.key("client"), newest: newest, count: 3)
        let answers = try await probe(server.port, files, wish)
        #expect(answers.map(\.status) == ["101", "101", "101"])
        #expect(answers.map { $0.resumed ?? false } == resumed)
        let ours = server.state.withLock { $0.infos.map { $0.tls?.isResumed } }
        #expect(ours == resumed)
        // Each has an exporter of its own, resumed or not.
        #expect(Set(server.state.withLock { $0.infos.map(\.tlsExporter) }).count == 3)
      }
    }
  }

  @Test("our client resumes with a server that issues tickets, one connection a ticket, only if it is told to")
  func ourClient() async throws {
    let files = try await TLSFiles()
    let script = try Script("tls_server.py", [files.certificate("both"), files.key("both")])
    let port = try await script.line()
    for keepsTickets in [true, false] {
      var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
      dialling.keepsTickets = keepsTickets
      let context = try TLSClientContext(dialling)
      try await withLoop { loop in
        for isSecond in [false, true] {
          let record = Record()
          let connection = try await WebSocketClient.connect(
            to: WebURL("wss://localhost:\(port)")!, on: loop, options: .init(tls: context))
          await loop.run { record.start(connection) }
          #expect(await record.waitForMessages(1))
          #expect(connection.info.tls?.isResumed == (isSecond && keepsTickets))
          #expect(try await script.line().contains("\"resumed\": \(isSecond && keepsTickets)"))
          await loop.run { connection.close() }
          #expect(await record.waitForClosure() != nil)
        }
      }
    }
  }

  /// One handshake, after which the client has read what the server sent.
  func isResumed(_ server: TLSServerContext, _ client: TLSClientContext, host: String = "localhost") throws -> Bool {
    let pair = try SessionPair(server, client, host: host)
    defer { pair.close() }
    try #require(pair.handshake() == (.done, .done))
    #expect(pair.server.send([1]) == .count(1))
    #expect(pair.client.receive().1 == [1])
    #expect(pair.server.exporter() == pair.client.exporter())
    #expect(pair.server.parameters.isResumed == pair.client.parameters.isResumed)
    #expect(pair.client.parameters.group == "X25519MLKEM768", "a new key exchange even so")
    return pair.client.parameters.isResumed
  }

  @Test("a ticket serves its own host once, and dies with a reload")
  func tickets() async throws {
    let files = try await TLSFiles()
    let server = try TLSServerContext(configuration(files))
    var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
    dialling.keepsTickets = true
    let client = try TLSClientContext(dialling)
    #expect(try !isResumed(server, client))
    #expect(try isResumed(server, client))
    #expect(try !isResumed(server, client, host: "127.0.0.1"))
    #expect(try isResumed(server, client))
    try server.reload()
    #expect(try !isResumed(server, client))
    // Each connection takes the ticket away, and brings a new one.
    let first = try #require(client.takeTicket(for: "localhost"))
    withExtendedLifetime(first) { #expect(client.takeTicket(for: "localhost") == nil) }
  }

  @Test("a ticket of one server is nothing to another, and the server's certificate is still the one verified")
  func strangers() async throws {
    let files = try await TLSFiles()
    let server = try TLSServerContext(configuration(files))
    let other = try TLSServerContext(configuration(files))
    var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
    dialling.keepsTickets = true
    let client = try TLSClientContext(dialling)
    #expect(try !isResumed(server, client))
    #expect(try !isResumed(other, client))
    #expect(try isResumed(other, client))
    #expect(try !isResumed(server, client))
  }

  @Test("keys seal for an hour and open for two")
  func rotation() throws {
    let start = ContinuousClock.now
    let keys = TLSTicketKeys(now: start)
    let hour = TLSTicketKeys.lifetime
    let first = keys.names(now: start)[0]
    #expect(keys.names(now: start + hour - .nanoseconds(1)) == [first])
    let second = keys.names(now: start + hour)
    #expect(second.count == 2 && second[0] != first && second[1] == first)
    #expect(keys.names(now: start + hour * 2 - .nanoseconds(1)) == second)
    let third = keys.names(now: start + hour * 2)
    #expect(third.count == 2 && third[1] == second[0] && third[0] != first)
    // After a pause nothing old is left.
    let late = keys.names(now: start + hour * 9)
    #expect(late.count == 1 && Set(late).isDisjoint(with: third))
  }

  @Test("64 hosts have a ticket kept, the 65th pushes out the oldest")
  func shelf() async throws {
    let files = try await TLSFiles()
    let server = try TLSServerContext(configuration(files))
    var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
    dialling.keepsTickets = true
    let client = try TLSClientContext(dialling)
    #expect(try !isResumed(server, client))
    let ticket = try #require(client.takeTicket(for: "localhost"))
    var shelf = TLSTicketShelf()
    for index in 0..<TLSTicketShelf.maximumCount { shelf.put(ticket, "host-\(index)") }
    shelf.put(ticket, "host-1")
    shelf.put(ticket, "host-64")
    #expect(shelf.take("host-0") == nil)
    #expect(shelf.take("host-1") != nil)
    #expect(shelf.take("host-64") != nil)
    #expect(shelf.take("host-64") == nil)
  }
}
