import Foundation
import Parley
import TestSupport
import Testing

/// The command line as a person meets it: every test runs the program itself.
@Suite("The command line", .serialized)
struct CommandLineTests {
  /// What one run of the program printed, and its exit code.
  struct Run {
    let code: Int32
    let text: String
    let complaint: String
  }

  static func parley(_ words: [String], in folder: URL, passphrase: String? = "correct horse") async throws -> Run {
    let environment = passphrase.map { ["PARLEY_PASSPHRASE": $0] } ?? [:]
    let child = try Child(
      Programs.parley, words, in: folder, name: "run-\(UUID().uuidString.prefix(8))", environment: environment)
    let code = await child.end()
    return Run(code: code, text: child.text, complaint: child.log)
  }

  @Test("a chain is printed, and its surface drawn")
  func analytics() async throws {
    try await InteropTests.withFolder { folder in
      let chain = try SyntheticChain.bitcoin(asOf: UnixNanoseconds(1_795_248_000_000_000_000))
      let (file, drawn) = (folder.appending(path: "chain.json"), folder.appending(path: "out.svg"))
      try Data(chain.serialized()).write(to: file)
      let day = chain.expiryDays[1].deribit
      let table = try await Self.parley(["chain", file.path(), "--expiry", day], in: folder)
      #expect(table.code == 0 && table.text.contains("BTC-\(day)"), "\(table.complaint)")
      let absent = try await Self.parley(["chain", file.path(), "--expiry", "1JAN99"], in: folder)
      #expect(absent.code == 2 && absent.complaint.contains("there is no expiry '1JAN99'"))
      let surface = try await Self.parley(
        ["surface", file.path(), "--expiry", day, "--plot", drawn.path()], in: folder)
      #expect(surface.code == 0 && surface.text.contains("surface: no arbitrage"), "\(surface.complaint)")
      let drawing = try String(contentsOf: drawn, encoding: .utf8)
      #expect(drawing.contains("fitted, free of arbitrage"))
      let missing = try await Self.parley(["surface", "none.json"], in: folder)
      #expect(missing.code == 1 && missing.complaint.contains("cannot be read"))
    }
  }

  @Test("every command explains itself")
  func help() async throws {
    try await InteropTests.withFolder { folder in
      let overview = try await Self.parley(["--help"], in: folder)
      #expect(overview.code == 0)
      let names = overview.text.split(separator: "\n").filter { $0.hasPrefix("  ") }.compactMap {
        $0.split(separator: " ").first.map(String.init)
      }
      #expect(
        Set(names).isSuperset(of: [
          "init", "id", "rotate", "resolve", "up", "maker", "connect", "peers", "rfq", "quotes", "counter", "accept",
          "trades", "status", "receipt", "verify", "demo",
        ]))
      for name in names.map({ [$0] }) + ["verify", "prove", "backup", "restore"].map({ ["journal", $0] }) {
        let page = try await Self.parley(name + ["--help"], in: folder)
        let usage = "Usage: parley \(name.joined(separator: " "))"
        #expect(page.code == 0 && page.text.contains(usage), "\(name): \(page.text)\(page.complaint)")
      }
    }
  }

  @Test(
    "what cannot be read is refused with exit code 2 and a hint",
    arguments: [
      (["nonsense"], "there is no command 'nonsense'", "parley --help"),
      (["rfq"], "'rfq' needs INSTRUMENT", "parley rfq --help"),
      (["id", "--hom", "x"], "'id' has no option --hom", "did you mean --home?"),
      (["init", "--kdf-memory", "3"], "--kdf-memory takes a number of MiB from 19 to 1024", ""),
      (["id", "--home"], "--home needs a value", ""),
      (["id", "--home", "a", "--home", "b"], "--home was given twice", ""),
      (["verify", "a", "b"], "'verify' does not take 'b'", ""),
      (["up", "--listen", "nowhere"], "--listen takes HOST:PORT or fd:N, not 'nowhere'", ""),
      (["maker"], "'maker' needs --chain FILE", ""),
      (["journal", "mend"], "there is no command 'journal mend'", "verify|prove|backup|restore"),
      (["journal", "backup"], "'journal backup' needs FILE", "parley journal backup --help"),
      (["journal", "prove", "--entry", "1", "--dialogue", "ab"], "give one of --entry", ""),
      (["peers", "trust"], "'peers' takes list, approve, deny, forget or waive, not 'trust'", ""),
      (["peers", "approve"], "'peers approve' needs DID", ""),
      (["init", "--did", "did:key:z6Mk"], "--did takes a did:web", ""),
    ])
  func usage(words: [String], message: String, hint: String) async throws {
    try await InteropTests.withFolder { folder in
      let run = try await Self.parley(words, in: folder)
      #expect(run.code == 2)
      #expect(run.complaint.contains(message) && (hint.isEmpty || run.complaint.contains(hint)), "\(run.complaint)")
    }
  }

  @Test("an identity is made once, opened by its passphrase only, and shown without it")
  func identity() async throws {
    try await InteropTests.withFolder { folder in
      let home = ["--home", folder.appending(path: "node").path()]
      let made = try await Self.parley(
        ["init", "--endpoint", "ws://127.0.0.1:9", "--post-quantum", "--kdf-memory", "19", "--json"] + home, in: folder)
      #expect(made.code == 0, "\(made.complaint)")
      let did = try JSONValue.parse(Array(made.text.utf8))["did"]?.stringValue ?? ""
      let again = try await Self.parley(["init"] + home, in: folder)
      #expect(again.code == 1 && again.complaint.contains("there is an identity"))
      let shown = try await Self.parley(["id"] + home, in: folder, passphrase: nil)
      #expect(shown.text.hasPrefix(did + ":z"))
      let document = try await Self.parley(["id", "--document"] + home, in: folder, passphrase: nil)
      #expect(try JSONValue.parse(Array(document.text.utf8))["id"]?.stringValue == did)
      let resolved = try await Self.parley(
        ["resolve", shown.text.trimmingCharacters(in: .newlines), "--json"], in: folder)
      #expect(try JSONValue.parse(Array(resolved.text.utf8))["did"]?.stringValue == did)
      let wrong = try await Self.parley(["up"] + home, in: folder, passphrase: "battery staple")
      #expect(wrong.code == 1 && wrong.complaint.contains("check the passphrase"), "\(wrong.complaint)")
      let mode = try FileManager.default.attributesOfItem(atPath: folder.appending(path: "node/keystore.json").path())
      #expect(mode[.posixPermissions] as? Int == 0o600)
      let absent = try await Self.parley(["trades"] + home, in: folder)
      #expect(absent.code == 3 && absent.complaint.contains("parley up"))
    }
  }

  @Test("the demonstration ends with one JSON object, and a receipt that any change spoils")
  func demonstration() async throws {
    try await InteropTests.withFolder { folder in
      let run = try await Self.parley(
        ["demo", "--json", "--post-quantum", "--dir", folder.appending(path: "demo").path()], in: folder)
      #expect(run.code == 0, "\(run.complaint)")
      let lines = run.text.split(separator: "\n")
      #expect(lines.count == 1)
      let result = try JSONValue.parse(Array((lines.last ?? "").utf8))
      #expect(result["verified"] == true && result["tampered_verified"] == false)
      #expect(result["connect_ms"]?.doubleValue ?? 0 > 0 && result["rfq_to_trade_us"]?.int64Value ?? 0 > 0)
      #expect(result["trade"]?["direction"] == "buy")
      let path = try #require(result["receipt"]?.stringValue)
      let good = try await Self.parley(["verify", path], in: folder)
      #expect(good.code == 0 && good.text.contains("TRADED"))
      let receipt = [UInt8](try Data(contentsOf: URL(filePath: path)))
      var spoilt = 0
      for place in stride(from: 0, to: receipt.count, by: max(1, receipt.count / 200)) {
        var changed = receipt
        changed[place] ^= 1
        if ReceiptVerifier.verify(changed).isTraded {
          Issue.record("a change of byte \(place) went unnoticed")
        } else {
          spoilt += 1
        }
      }
      #expect(spoilt >= 200)
      let cut = folder.appending(path: "cut.json")
      try Data(receipt.dropLast(2)).write(to: cut)
      #expect(try await Self.parley(["verify", cut.path()], in: folder).code == 1)
    }
  }

  @Test("an order named twice is done once, before and after a restart")
  func clientOrderIDs() async throws {
    try await InteropTests.withFolder { folder in
      let maker = try await InteropTests.maker(in: folder)
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(maker.longForm)])
      let ask: JSONObject = [
        "instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy", "client_order_id": "ask-1",
      ]
      let first = try await taker.call("rfq", ask)
      #expect(try await taker.call("rfq", ask)["dialogue"] == first["dialogue"])
      let dialogue = try #require(first["dialogue"])
      let take: JSONObject = ["dialogue": dialogue, "client_order_id": "take-1"]
      let taken = try await taker.call("accept", take)
      let trade = try #require(taken["trade"]?["trade"])
      #expect(try await taker.call("accept", take)["trade"]?["trade"] == trade)
      await taker.child.kill()
      try await taker.restart()
      #expect(try await taker.call("accept", take)["trade"]?["trade"] == trade)
      _ = try await taker.call("connect", ["did": .string(maker.longForm)])
      var other = ask
      other["amount"] = "2"
      let refusal = await #expect(throws: ControlError.self) { try await taker.call("rfq", other) }
      #expect(refusal?.message.contains("'ask-1' was used for something else") == true)
      #expect(try await taker.call("trades", ["limit": 1]).arrayValue?.count == 1)
      #expect(try await taker.call("trades", ["skip": 1]).arrayValue?.isEmpty == true)
      await #expect(throws: ControlError.self) { try await taker.call("trades", ["limit": 501]) }
      await taker.stop()
      await maker.stop()
    }
  }

  @Test("a node that is told to stop does so in order")
  func stop() async throws {
    try await InteropTests.withFolder { folder in
      let maker = try await InteropTests.maker(in: folder)
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      _ = try await taker.call("connect", ["did": .string(maker.longForm)])
      for node in [maker, taker] {
        await node.stop()
        #expect(await node.child.end() == 0, "\(node.log)")
      }
    }
  }

  @Test("wss:// with a certificate from a file, and only with the right authority")
  func secure() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = folder.appending(path: "certificates")
      try FileManager.default.createDirectory(at: certificates, withIntermediateDirectories: true)
      let script = SharedVectors.root.appending(path: "Tests/ParleyIOTests/python/make_certificate.py").path()
      let make = try Child(Programs.python, [script, certificates.path()], in: folder, name: "certificates")
      #expect(await make.end() == 0, "\(make.log)")
      func file(_ name: String) -> String { certificates.appending(path: name).path() }
      let maker = try await InteropTests.maker(
        in: folder, scheme: "wss",
        more: ["--tls-cert", file("both.pem"), "--tls-key", file("both.key")])
      let taker = try await RunningNode(
        "taker", in: folder, endpoint: nil, ["up", "--tls-ca", file("both-ca.pem")])
      _ = try await taker.call("connect", ["did": .string(maker.longForm)])
      let asked = try await taker.call(
        "rfq", ["instrument": .string(InteropTests.instrument), "amount": "1", "side": "sell"])
      let dialogue = try #require(asked["dialogue"])
      #expect(try await taker.call("accept", ["dialogue": dialogue])["phase"] == "traded")
      let stranger = try await RunningNode(
        "stranger", in: folder, endpoint: nil, ["up", "--tls-ca", file("name-ca.pem")])
      let refusal = await #expect(throws: ControlError.self) {
        try await stranger.call("connect", ["did": .string(maker.longForm)])
      }
      #expect(refusal?.message.contains("certificate") == true, "\(refusal?.message ?? "")")
      for node in [taker, stranger, maker] { await node.stop() }
    }
  }

  @Test("who is not on the allow list is told so, waits for the operator, and then comes in; others are served")
  func allowList() async throws {
    try await InteropTests.withFolder { folder in
      let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
      let stranger = try await RunningNode("stranger", in: folder, endpoint: nil, ["up"])
      let maker = try await InteropTests.maker(
        in: folder, access: ["--allow", taker.longForm])
      let turnedAway = Task { try await stranger.call("connect", ["did": .string(maker.longForm)]) }
      _ = try await taker.call("connect", ["did": .string(maker.longForm)])
      let refusal = await #expect(throws: ControlError.self) { try await turnedAway.value }
      #expect(refusal?.message.contains("its operator has not approved this DID") == true, "\(refusal?.message ?? "")")
      #expect(refusal?.hint?.contains("parley id --fingerprint") == true)
      let fingerprint = try await Self.parley(
        ["id", "--fingerprint", "--home", stranger.home.folder.path()], in: folder
      )
      .text.trimmingCharacters(in: .newlines)
      let home = ["--home", maker.home.folder.path()]
      let waiting = try await Self.parley(["peers"] + home, in: folder)
      #expect(waiting.text.contains("waiting") && waiting.text.contains(fingerprint), "\(waiting.text)")
      let approved = try await Self.parley(
        ["peers", "approve", stranger.longForm, "--fingerprint", fingerprint] + home, in: folder)
      #expect(approved.code == 0 && approved.text.contains(fingerprint), "\(approved.complaint)")
      _ = try await stranger.call("connect", ["did": .string(maker.longForm)])
      let asked = try await taker.call(
        "rfq", ["instrument": .string(InteropTests.instrument), "amount": "1", "side": "buy"])
      #expect(asked["theirs"]?["ask"]?.stringValue != nil)
      for node in [taker, stranger, maker] { await node.stop() }
    }
  }

  @Test("did:web and did:webvh come over HTTPS, and from a private address only when asked for")
  func web() async throws {
    try await InteropTests.withFolder { folder in
      let script = SharedVectors.root.appending(path: "Tests/ParleyIOTests/python/make_certificate.py").path()
      let make = try Child(Programs.python, [script, folder.path()], in: folder, name: "certificates")
      #expect(await make.end() == 0, "\(make.log)")
      let key = DIDKeyDocument.multibase
      let site = folder.appending(path: "site/.well-known")
      try FileManager.default.createDirectory(at: site, withIntermediateDirectories: true)
      let serve = """
        import http.server, ssl, sys, functools
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        print('{"port": %d}' % server.server_address[1], flush=True)
        server.serve_forever()
        """
      let server = try Child(
        Programs.python,
        [
          "-c", serve, folder.appending(path: "site").path(), folder.appending(path: "name.pem").path(),
          folder.appending(path: "name.key").path(),
        ], in: folder, name: "server")
      let port = try await server.line { $0["port"] != nil }["port"]?.int64Value ?? 0
      let did = "did:web:localhost%3A\(port)"
      let document = """
        {"id":"\(did)","verificationMethod":[{"id":"\(did)#k","type":"Multikey","controller":"\(did)",\
        "publicKeyMultibase":"\(key)"}],"authentication":["#k"]}
        """
      try Data(document.utf8).write(to: site.appending(path: "did.json"))
      let authority = ["--resolver-ca", folder.appending(path: "name-ca.pem").path()]
      let refused = try await Self.parley(["resolve", did] + authority, in: folder)
      #expect(refused.code == 1 && refused.complaint.contains("not at a public address"), "\(refused.complaint)")
      let resolved = try await Self.parley(
        ["resolve", did, "--json", "--resolver-allow-private"] + authority, in: folder)
      #expect(resolved.code == 0, "\(resolved.complaint)")
      #expect(try JSONValue.parse(Array(resolved.text.utf8))["key"] == "k")
      let untrusted = try await Self.parley(["resolve", did, "--resolver-allow-private"], in: folder)
      #expect(untrusted.code == 1 && untrusted.complaint.contains("certificate"), "\(untrusted.complaint)")
      try await history("localhost%3A\(port)", site: site, authority, in: folder)
      await server.stop()
    }
  }

  /// A history that Python has written, and one with a byte changed.
  private func history(_ location: String, site: URL, _ authority: [String], in folder: URL) async throws {
    let write = try Child(
      Programs.python,
      [Programs.pythonPeer + "/webvh_log.py", location, site.path(), DIDKeyDocument.multibase], in: folder,
      name: "history")
    #expect(await write.end() == 0, "\(write.log)")
    let log = site.appending(path: "did.jsonl")
    let text = try String(contentsOf: log, encoding: .utf8)
    let last = try #require(text.split(separator: "\n").last)
    let did = try #require(JSONValue.parse(Array(last.utf8))["state"]?["id"]?.stringValue)
    let words = ["resolve", did, "--resolver-allow-private"] + authority
    let resolved = try await Self.parley(words + ["--json"], in: folder)
    #expect(resolved.code == 0, "\(resolved.complaint)")
    let verified = try JSONValue.parse(Array(resolved.text.utf8))["verified"]
    #expect(verified?["by"] == "history" && verified?["version"] == 2 && verified?["threshold"] == 1)
    let shown = try await Self.parley(words, in: folder)
    #expect(shown.text.contains("signed history of 2 versions, approved by 1 of 2 witnesses"), "\(shown.text)")
    try text.replacingOccurrences(of: "2026-01-02", with: "2026-01-03").write(
      to: log, atomically: true, encoding: .utf8)
    let refused = try await Self.parley(words, in: folder)
    #expect(refused.code == 1 && refused.complaint.contains("invalidLog"), "\(refused.complaint)")
  }
}

/// A public key that anybody may use: that of RFC 8032's first test.
private enum DIDKeyDocument {
  static let multibase = "z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
}
