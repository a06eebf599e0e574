import Foundation
import ParleyCrypto
import ParleyWebSocket
import ParleyWire
import Testing

@testable import ParleyIO

/// Certificates of clients, and the exchange of a server's own.
@Suite("TLS certificates", .enabled(if: Tool.hasPython, Tool.absence))
struct TLSCertificateTests {
  /// A server that asks for certificates of the authority `client`, or does not.
  func configuration(_ files: TLSFiles, isRequired: Bool?) -> TLSServerConfiguration {
    var configuration = files.serverConfiguration("both")
    let authority = files.authority("client")
    if let isRequired {
      configuration.clientCertificates =
        isRequired ? .required(authorityFile: authority) : .optional(authorityFile: authority)
    }
    return configuration
  }

  @Test(
    "who comes in with which certificate",
    arguments: [
      // Not asked for, it is not sent.
      (nil, "client", nil, false), (nil, nil, nil, false),
      (false, nil, nil, false), (true, nil, .tls("peer did not return a certificate"), false),
      (false, "client", nil, true), (true, "client", nil, true),
      // Without a purpose, any purpose (RFC 5280 section 4.2.1.12).
      (true, "plain-client", nil, true),
      (true, "expired-client", .certificate("certificate has expired"), false),
      (false, "expired-client", .certificate("certificate has expired"), false),
      (true, "early-client", .certificate("certificate is not yet valid"), false),
      (true, "server-as-client", .certificate("unsuitable certificate purpose"), false),
      (false, "server-as-client", .certificate("unsuitable certificate purpose"), false),
      (true, "stranger-client", .certificate("unable to get local issuer certificate"), false),
      (false, "stranger-client", .certificate("unable to get local issuer certificate"), false),
      // A server's certificate of another authority.
      (true, "name", .certificate("unable to get local issuer certificate"), false),
    ] as [(Bool?, String?, IOError?, Bool)])
  func clients(isRequired: Bool?, name: String?, error: IOError?, isSeen: Bool) async throws {
    let files = try await TLSFiles()
    let tls = try TLSServerContext(configuration(files, isRequired: isRequired))
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls)
      let wish = ProbeWish(certificate: name.map(files.certificate), key: name.map(files.key))
      let answer = try await probe(server.port, files, wish)[0]
      // The client may see the alert, or only the reset behind it.
      #expect(answer.status == (error == nil ? "101" : nil))
      #expect((answer.error == nil) == (error == nil))
      let seen = server.state.withLock { $0.infos.map { $0.peerCertificate?.fingerprint.hex } }
      #expect(seen == (error == nil ? [isSeen ? try files.fingerprint(#require(name)) : nil] : []))
      #expect(await eventually { server.refusals == (error.map { [$0] } ?? []) }, "\(server.refusals)")
    }
  }

  @Test("what the application is told of a certificate")
  func facts() async throws {
    let files = try await TLSFiles()
    let tls = try TLSServerContext(configuration(files, isRequired: true))
    var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
    dialling.identity = files.identity("client")
    let pair = try SessionPair(tls, TLSClientContext(dialling))
    defer { pair.close() }
    try #require(pair.handshake() == (.done, .done))
    let certificate = try #require(pair.server.peerCertificate())
    #expect(certificate.subject == "CN=desk 7,O=Example\\, Inc.")
    #expect(certificate.dnsNames == ["desk7.example"])
    #expect(certificate.uris == ["https://example.com/desks/7"])
    #expect(certificate.emailAddresses == ["desk7@example.com"])
    #expect(certificate.fingerprint.hex == (try files.fingerprint("client")))
    #expect(SHA256.hash(certificate.bytes) == certificate.fingerprint)
    // An EC key on P-256 in DER: 26 bytes of algorithm, and an uncompressed point.
    #expect(certificate.publicKey.count == 91)
    #expect(certificate.publicKey.starts(with: [0x30, 0x59, 0x30, 0x13]))
    // Made for a day from a moment ago.
    let remaining = UnixNanoseconds.now.nanoseconds(to: certificate.notAfter)
    #expect((86_000_000_000_000...86_400_000_000_000).contains(remaining))
    #expect(pair.client.peerCertificate()?.fingerprint.hex == (try files.fingerprint("both")))
  }

  @Test("our client shows its certificate to Python, and is turned away without one")
  func ourClient() async throws {
    let files = try await TLSFiles()
    let wanted = #"{"authority": "\#(files.authority("client"))"}"#
    let script = try Script("tls_server.py", [files.certificate("both"), files.key("both"), wanted])
    let port = try await script.line()
    try await withLoop { loop in
      let url = WebURL("wss://localhost:\(port)")!
      var dialling = TLSClientConfiguration(authorityFile: files.authority("both"))
      let bare = try TLSClientContext(dialling)
      await #expect(throws: IOError.self) {
        try await WebSocketClient.connect(to: url, on: loop, options: .init(tls: bare))
      }
      dialling.identity = files.identity("client")
      let connection = try await WebSocketClient.connect(
        to: url, on: loop, options: .init(tls: try TLSClientContext(dialling)))
      #expect(try await script.line().contains(#""client": "desk 7""#))
      await loop.run { connection.abort() }
    }
  }

  @Test("a file that cannot be used is named, and nobody is asked for a passphrase")
  func badFiles() async throws {
    let files = try await TLSFiles()
    func names(_ file: String, _ make: () throws -> Void) {
      #expect {
        try make()
      } throws: { if case .tlsFile(file, _) = $0 as? IOError { true } else { false } }
    }
    for authority in ["/nowhere", files.key("both")] {
      var configuration = files.serverConfiguration("both")
      configuration.clientCertificates = .required(authorityFile: authority)
      names(authority) { _ = try TLSServerContext(configuration) }
    }
    names(files.sealedKey("both")) {
      _ = try TLSServerContext(
        certificateFile: files.certificate("both"), privateKeyFile: files.sealedKey("both"))
    }
    names(files.key("alpha")) {
      var configuration = files.serverConfiguration("both")
      configuration.identities.append(
        TLSIdentity(certificateFile: files.certificate("wild"), privateKeyFile: files.key("alpha")))
      _ = try TLSServerContext(configuration)
    }
    names(files.key("wild")) {
      var configuration = TLSClientConfiguration(authorityFile: files.authority("both"))
      configuration.identity = TLSIdentity(
        certificateFile: files.certificate("client"), privateKeyFile: files.key("wild"))
      _ = try TLSClientContext(configuration)
    }
  }

  // MARK: Reload

  /// A copy of a certificate and key at paths of its own, to be overwritten.
  func copy(_ name: String, of files: TLSFiles, to folder: TemporaryFolder) throws {
    for (from, to) in [(files.certificate(name), "server.pem"), (files.key(name), "server.key")] {
      try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: folder.file(to)))
    }
  }

  @Test("new connections get the new certificate, old ones live on, and a broken file changes nothing")
  func reload() async throws {
    let files = try await TLSFiles()
    let folder = try TemporaryFolder()
    try copy("both", of: files, to: folder)
    let context = try TLSServerContext(
      certificateFile: folder.file("server.pem"), privateKeyFile: folder.file("server.key"))
    let trust = try TLSClientContext(authorityFile: files.authority("both"))
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: context)
      func served() async throws -> String? { try await probe(server.port, files)[0].certificate }
      let record = Record()
      let old = try await WebSocketClient.connect(to: server.url("wss"), on: loop, options: .init(tls: trust))
      await loop.run { record.start(old) }
      #expect(try await served() == files.fingerprint("both"))

      try copy("renewed", of: files, to: folder)
      #expect(try await served() == files.fingerprint("both"), "nothing changes by itself")
      try context.reload()
      #expect(try await served() == files.fingerprint("renewed"))

      // A half-written certificate; a key of another certificate; no file.
      let whole = try Data(contentsOf: URL(filePath: folder.file("server.pem")))
      let breaks: [(String, () throws -> Void)] = [
        ("server.pem", { try whole.prefix(300).write(to: URL(filePath: folder.file("server.pem"))) }),
        (
          "server.key",
          {
            try whole.write(to: URL(filePath: folder.file("server.pem")))
            try Data(contentsOf: URL(filePath: files.key("alpha"))).write(to: URL(filePath: folder.file("server.key")))
          }
        ),
        ("server.key", { try FileManager.default.removeItem(atPath: folder.file("server.key")) }),
      ]
      for (file, damage) in breaks {
        try damage()
        #expect { try context.reload() } throws: {
          if case .tlsFile(folder.file(file), _) = $0 as? IOError { true } else { false }
        }
        #expect(try await served() == files.fingerprint("renewed"))
      }

      await loop.run { old.send(binary: [1, 2, 3]) }
      #expect(await record.waitForMessages(1))
      #expect(record.messages == [[1, 2, 3]])
      await loop.run { old.abort() }
    }
  }

  @Test("a context is replaced by one that trusts and names others")
  func replace() async throws {
    let files = try await TLSFiles()
    let context = try TLSServerContext(configuration(files, isRequired: true))
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: context)
      let stranger = ProbeWish(
        host: "alpha.example", certificate: files.certificate("stranger-client"), key: files.key("stranger-client"))
      #expect(try await probe(server.port, files, stranger)[0].status == nil)
      var other = files.serverConfiguration("both", "alpha")
      other.clientCertificates = .required(authorityFile: files.authority("stranger"))
      try context.replace(with: other)
      #expect(context.configuration == other)
      let answer = try await probe(server.port, files, stranger)[0]
      #expect(answer.status == "101")
      #expect(answer.certificate == (try files.fingerprint("alpha")))
    }
  }

  @Test("reloading while clients connect from several threads")
  func concurrent() async throws {
    let files = try await TLSFiles()
    let context = try TLSServerContext(files.serverConfiguration("both", "alpha"))
    let trust = try TLSClientContext(authorityFile: files.authority("both"))
    let done = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<3 {
        group.addTask {
          await offPool {
            (0..<8).reduce(0) { count, _ in
              guard let pair = try? SessionPair(context, trust) else { return count }
              defer { pair.close() }
              return pair.handshake() == (.done, .done) ? count + 1 : count
            }
          }
        }
      }
      group.addTask {
        await offPool {
          for _ in 0..<20 { try? context.reload() }
          return 0
        }
      }
      return await group.reduce(0, +)
    }
    #expect(done == 24)
  }
}
