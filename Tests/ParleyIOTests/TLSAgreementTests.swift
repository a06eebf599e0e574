import ParleyWebSocket
import Testing

@testable import ParleyIO

/// What a server agrees to with Python's `ssl` and with this module's client.
@Suite("TLS agreements", .enabled(if: Tool.hasPython, Tool.absence))
struct TLSAgreementTests {
  @Test(
    "the protocol over TLS is chosen, left open, or refused",
    arguments: [
      (["http/1.1"], ["http/1.1"], "http/1.1", nil),
      (["http/1.1"], ["h2", "http/1.1"], "http/1.1", nil),
      (["http/1.1"], nil, nil, nil),
      (["http/1.1"], ["h2"], nil, "no application protocol"),
      (["http/1.1"], ["http/1", "http/1.10"], nil, "no application protocol"),
      (["b", "a"], ["a", "b"], "b", nil),
      ([], ["h2"], nil, nil),
    ] as [([String], [String]?, String?, String?)])
  func applicationProtocols(ours: [String], theirs: [String]?, agreed: String?, error: String?) async throws {
    let files = try await TLSFiles()
    var configuration = files.serverConfiguration("both")
    configuration.applicationProtocols = ours
    let tls = try TLSServerContext(configuration)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls)
      let answer = try await probe(server.port, files, ProbeWish(alpn: theirs))[0]
      #expect(answer.error.map { $0.contains(error ?? "no error") } ?? (error == nil), "\(answer)")
      #expect(answer.alpn == agreed)
      if error == nil {
        #expect(server.state.withLock { $0.infos.map { $0.tls?.applicationProtocol } } == [agreed])
      } else {
        #expect(await eventually { server.refusals.count == 1 })
      }
    }
  }

  @Test("our client offers http/1.1, and takes no for no answer")
  func clientProtocols() async throws {
    let files = try await TLSFiles()
    for (theirs, agreed) in [(["h2", "http/1.1"], "http/1.1"), ([], nil)] as [([String], String?)] {
      let script = try Script(
        "tls_server.py",
        [files.certificate("both"), files.key("both")] + (theirs.isEmpty ? [] : [#"{"alpn": ["h2", "http/1.1"]}"#]))
      let port = try await script.line()
      try await withLoop { loop in
        let trust = try TLSClientContext(authorityFile: files.authority("both"))
        let connection = try await WebSocketClient.connect(
          to: WebURL("wss://localhost:\(port)")!, on: loop, options: .init(tls: trust))
        #expect(connection.info.tls?.applicationProtocol == agreed)
        await loop.run { connection.abort() }
      }
    }
  }

  @Test(
    "the certificate is chosen by the name asked for",
    arguments: [
      ("localhost", "both"), ("alpha.example", "alpha"), ("ALPHA.example", "alpha"), ("shared.example", "alpha"),
      ("a.wild.example", "wild"), ("A.Wild.Example", "wild"),
      // A wildcard stands for one label, and not for none.
      ("a.b.wild.example", "both"), ("wild.example", "both"), ("x.alpha.example", "both"), ("unknown", "both"),
    ])
  func names(host: String, certificate: String) async throws {
    let files = try await TLSFiles()
    let tls = try TLSServerContext(files.serverConfiguration("both", "alpha", "wild"))
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls)
      let answer = try await probe(server.port, files, ProbeWish(host: host, alpn: ["http/1.1"]))[0]
      #expect(answer.certificate == (try files.fingerprint(certificate)))
      // What was chosen for the first certificate holds for the others.
      #expect(answer.alpn == "http/1.1")
    }
  }

  @Test("TLS 1.3 only, and 1.2 where it is asked for, with ephemeral keys and authenticated ciphers; never 1.1")
  func versions() async throws {
    let files = try await TLSFiles()
    var older = files.serverConfiguration("both")
    older.minimumVersion = .tls12
    let modern = try TLSServerContext(files.serverConfiguration("both"))
    let lenient = try TLSServerContext(older)
    try await withLoop { loop in
      let strict = try EchoServer(loop, tls: modern)
      let loose = try EchoServer(loop, tls: lenient)
      let refused = "TLSV1_ALERT_PROTOCOL_VERSION"
      #expect(try await probe(strict.port, files)[0].version == "TLSv1.3")
      #expect(try await probe(strict.port, files, ProbeWish(newest: "TLSv1_2"))[0].error == refused)
      #expect(try await probe(loose.port, files)[0].version == "TLSv1.3")
      let second = try await probe(loose.port, files, ProbeWish(newest: "TLSv1_2"))[0]
      #expect(second.version == "TLSv1.2")
      #expect(second.cipher?.hasPrefix("ECDHE-ECDSA-") == true)
      // Security level 0 lets Python try.
      let eleven = ProbeWish(newest: "TLSv1_1", ciphers: "DEFAULT@SECLEVEL=0")
      #expect(try await probe(loose.port, files, eleven)[0].error == refused)
      let cbc = ProbeWish(newest: "TLSv1_2", ciphers: "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA")
      #expect(try await probe(loose.port, files, cbc)[0].error == "SSLV3_ALERT_HANDSHAKE_FAILURE")
      #expect(loose.state.withLock { $0.infos.map { $0.tlsExporter?.count } } == [32, 32])
    }
  }

  @Test("our client refuses TLS 1.2 unless it is asked for")
  func clientVersions() async throws {
    let files = try await TLSFiles()
    let script = try Script(
      "tls_server.py", [files.certificate("both"), files.key("both"), #"{"newest": "TLSv1_2"}"#])
    let port = try await script.line()
    try await withLoop { loop in
      var configuration = TLSClientConfiguration(authorityFile: files.authority("both"))
      let url = WebURL("wss://localhost:\(port)")!
      let strict = try TLSClientContext(configuration)
      // Python closes without the alert.
      await #expect(throws: IOError.connectionLost) {
        try await WebSocketClient.connect(to: url, on: loop, options: .init(tls: strict))
      }
      configuration.minimumVersion = .tls12
      let lenient = try TLSClientContext(configuration)
      let connection = try await WebSocketClient.connect(to: url, on: loop, options: .init(tls: lenient))
      #expect(connection.info.tls?.version == "TLSv1.2")
      #expect(connection.info.tlsExporter?.count == 32)
      await loop.run { connection.abort() }
    }
  }
}
