import Testing

@testable import ParleyWebSocket

/// `Sec-WebSocket-Extensions` with this value, read.
private func offers(_ value: String) throws(HTTPError) -> [ExtensionOffer] {
  let head = try request("GET / HTTP/1.1\nHost: a\nSec-WebSocket-Extensions: \(value)\n\n")
  return try ExtensionOffer.all(in: head.fields)
}

/// Options that restrict nothing.
private var openOptions: PermessageDeflate.Options {
  var options = PermessageDeflate.Options()
  options.keepsSendingContext = true
  options.keepsReceivingContext = true
  return options
}

/// What a server answers; "-" for an offer that it does not take, "400" for one that is against the grammar.
private func answer(_ value: String, _ options: PermessageDeflate.Options = openOptions) -> String {
  do throws(HTTPError) {
    return PermessageDeflate.accept(try offers(value), options)?.answer ?? "-"
  } catch {
    #expect(error == .malformedOffer)
    return "\(error.status)"
  }
}

@Suite("permessage-deflate: negotiation")
struct DeflateNegotiationTests {
  @Test(
    "a server's answer to an offer",
    arguments: [
      ("permessage-deflate", "permessage-deflate"),
      ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
      ("permessage-deflate; client_max_window_bits=15", "permessage-deflate"),
      ("permessage-deflate;client_max_window_bits=9", "permessage-deflate; client_max_window_bits=9"),
      ("permessage-deflate; client_max_window_bits=\"10\"", "permessage-deflate; client_max_window_bits=10"),
      ("permessage-deflate; client_max_window_bits=\"1\\0\"", "permessage-deflate; client_max_window_bits=10"),
      ("permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8"),
      // What limits the server must be in the answer, also where it is no limit.
      ("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15"),
      ("permessage-deflate \t; \tserver_max_window_bits \t= \t9 ", "permessage-deflate; server_max_window_bits=9"),
      ("permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=8"),
      ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
      ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
      (
        "permessage-deflate; client_max_window_bits=12; server_max_window_bits=11; client_no_context_takeover; "
          + "server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; "
          + "client_max_window_bits=12"
      ),
      // Fall-backs in the client's order; what is not ours is passed over.
      (
        "permessage-deflate; server_max_window_bits=7, permessage-deflate; client_max_window_bits=9, permessage-deflate",
        "permessage-deflate; client_max_window_bits=9"
      ),
      ("x-webkit-deflate-frame, permessage-bzip2; a=b, , permessage-deflate", "permessage-deflate"),
      ("permessage-deflate; unknown, permessage-deflate", "permessage-deflate"),
      (",,permessage-deflate,", "permessage-deflate"),
      // No offer that can be met.
      ("", "-"), (",", "-"), ("x-webkit-deflate-frame", "-"), ("Permessage-Deflate", "-"),
      ("permessage-deflate; unknown", "-"), ("permessage-deflate; unknown=1", "-"),
      ("permessage-deflate; server_no_context_takeover=1", "-"),
      ("permessage-deflate; client_no_context_takeover=true", "-"),
      ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", "-"),
      ("permessage-deflate; client_max_window_bits; client_max_window_bits=9", "-"),
      ("permessage-deflate; server_max_window_bits", "-"), ("permessage-deflate; server_max_window_bits=7", "-"),
      ("permessage-deflate; server_max_window_bits=16", "-"), ("permessage-deflate; server_max_window_bits=08", "-"),
      ("permessage-deflate; server_max_window_bits=010", "-"), ("permessage-deflate; server_max_window_bits=1", "-"),
      ("permessage-deflate; server_max_window_bits=9.0", "-"), ("permessage-deflate; server_max_window_bits=+9", "-"),
      ("permessage-deflate; server_max_window_bits=115", "-"), ("permessage-deflate; client_max_window_bits=7", "-"),
      ("permessage-deflate; client_max_window_bits=16", "-"), ("permessage-deflate; Server_Max_Window_Bits=9", "-"),
      // Against the grammar.
      ("permessage-deflate;", "400"), (";", "400"), ("permessage-deflate; =1", "400"), ("a b", "400"), ("a;b c", "400"),
      ("permessage-deflate; server_max_window_bits=", "400"), ("a; b=\"\"", "400"), ("a; b=\"c", "400"),
      ("a; b=\"c\\", "400"),
      ("a; b=\"c d\"", "400"), ("a; b=\"c,d\"", "400"), ("a; b=\"c\"d", "400"), ("a; b=ä", "400"),
      ("a=b", "400"), ("a; b==c", "400"), ("(a)", "400"), ("\"a\"", "400"),
    ])
  func answers(offer: String, expected: String) {
    #expect(answer(offer) == expected)
  }

  @Test("an offer comes in several fields")
  func fields() throws {
    let head = try request(
      "GET / HTTP/1.1\nHost: a\nSec-WebSocket-Extensions: a; b\nX: y\nsec-websocket-extensions: c;d=e, f\n\n")
    let offers = try ExtensionOffer.all(in: head.fields)
    #expect(offers.map(\.name) == ["a", "c", "f"])
    #expect(offers[0].parameters == [.init(name: "b", value: nil)])
    #expect(offers[1].parameters == [.init(name: "d", value: "e")])
  }

  @Test("what a server wants is in its answer")
  func serverOptions() {
    let options = PermessageDeflate.Options()
    #expect(
      answer("permessage-deflate", options)
        == "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    var small = openOptions
    small.sendingWindowBits = 10
    small.receivingWindowBits = 11
    #expect(
      answer("permessage-deflate; client_max_window_bits", small)
        == "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11")
    #expect(
      answer("permessage-deflate; client_max_window_bits=9; server_max_window_bits=9", small)
        == "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9")
    #expect(
      answer("permessage-deflate; server_max_window_bits=12", small)
        == "permessage-deflate; client_no_context_takeover; server_max_window_bits=10")
    // A client that did not offer it must not be told a window: instead, it may keep none.
    #expect(
      answer("permessage-deflate", small) == "permessage-deflate; client_no_context_takeover; server_max_window_bits=10"
    )
  }

  @Test("the agreement is what the answer says")
  func agreement() throws {
    var small = openOptions
    small.sendingWindowBits = 10
    small.receivingWindowBits = 11
    let taken = try #require(
      PermessageDeflate.accept(
        try offers("permessage-deflate; client_max_window_bits; server_no_context_takeover"), small)
    ).agreement
    #expect(
      taken
        == .init(serverNoContextTakeover: true, serverMaximumWindowBits: 10, clientMaximumWindowBits: 11))
    #expect(!taken.keepsContext(of: .server) && taken.keepsContext(of: .client))
    #expect(taken.windowBits(of: .server) == 10 && taken.windowBits(of: .client) == 11)
  }

  @Test("a client's offer says what it wants")
  func offer() {
    #expect(
      PermessageDeflate.offer(.init())
        == "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits")
    #expect(PermessageDeflate.offer(openOptions) == "permessage-deflate; client_max_window_bits")
    var small = openOptions
    small.sendingWindowBits = 9
    small.receivingWindowBits = 8
    #expect(
      PermessageDeflate.offer(small) == "permessage-deflate; server_max_window_bits=8; client_max_window_bits=9")
  }

  /// What a client makes of an answer.
  static func agreed(
    _ value: String, _ options: PermessageDeflate.Options? = openOptions
  ) throws(HTTPError) -> PermessageDeflate.Agreement? {
    let client = ClientUpgrade(
      url: OpeningHandshakeTests.url, subprotocols: [], deflate: options, nonce: OpeningHandshakeTests.nonce)
    let text = "HTTP/1.1 101 Switching Protocols\n" + OpeningHandshakeTests.accept
    return try client.agreement(
      acceptedBy: HTTPHeadTests.response(text + "Sec-WebSocket-Extensions: \(value)\n\n")
    ).deflate
  }

  @Test("a client takes the answers that grant what it asked for")
  func clientAccepts() throws {
    #expect(try Self.agreed("permessage-deflate") == .init())
    #expect(try Self.agreed("") == nil)
    #expect(
      try Self.agreed("permessage-deflate; server_max_window_bits=9; client_max_window_bits=\"8\"")
        == .init(serverMaximumWindowBits: 9, clientMaximumWindowBits: 8))
    #expect(
      try Self.agreed("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        == .init(serverNoContextTakeover: true, clientNoContextTakeover: true))
    // A hint that the server ignored binds this end all the same.
    #expect(
      try Self.agreed("permessage-deflate; server_no_context_takeover", .init())
        == .init(serverNoContextTakeover: true, clientNoContextTakeover: true))
    var small = openOptions
    small.sendingWindowBits = 10
    #expect(try Self.agreed("permessage-deflate", small) == .init(clientMaximumWindowBits: 10))
    #expect(try Self.agreed("permessage-deflate; client_max_window_bits=9", small) == .init(clientMaximumWindowBits: 9))
    #expect(
      try Self.agreed("permessage-deflate; client_max_window_bits=11", small) == .init(clientMaximumWindowBits: 10))
  }

  @Test(
    "an answer that was not offered fails the connection",
    arguments: [
      "permessage-deflate; unknown", "permessage-deflate; client_max_window_bits", "permessage-deflate; ",
      "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
      "permessage-deflate; server_max_window_bits=16", "permessage-deflate; client_max_window_bits=09",
      "permessage-deflate; server_no_context_takeover=1", "permessage-deflate, permessage-deflate",
      "permessage-deflate; client_no_context_takeover; client_no_context_takeover", "a b",
    ])
  func clientRefuses(value: String) {
    #expect(throws: HTTPError.invalidExtensionAnswer) { try Self.agreed(value) }
  }

  @Test("an answer that grants less than was asked for fails the connection")
  func clientInsists() throws {
    #expect(throws: HTTPError.invalidExtensionAnswer) { try Self.agreed("permessage-deflate", .init()) }
    var small = openOptions
    small.receivingWindowBits = 10
    small.sendingWindowBits = 10
    for value in ["", "; server_max_window_bits=11", "; client_max_window_bits=10"] {
      #expect(throws: HTTPError.invalidExtensionAnswer) { try Self.agreed("permessage-deflate" + value, small) }
    }
    #expect(
      try Self.agreed("permessage-deflate; server_max_window_bits=10", small)
        == .init(serverMaximumWindowBits: 10, clientMaximumWindowBits: 10))
    for value in ["x", "permessage-deflate, x", "x, permessage-deflate"] {
      #expect(throws: HTTPError.unofferedExtension) { try Self.agreed(value) }
    }
    #expect(throws: HTTPError.unofferedExtension) { try Self.agreed("permessage-deflate", nil) }
  }

  @Test("a server and a client agree, whatever both want")
  func both() throws {
    var count = 0
    for clientOptions in Self.everyOptions {
      for serverOptions in Self.everyOptions {
        var policy = UpgradePolicy()
        policy.deflate = serverOptions
        let client = ClientUpgrade(
          url: OpeningHandshakeTests.url, subprotocols: [], deflate: clientOptions, nonce: OpeningHandshakeTests.nonce)
        let request = try UpgradeRequest(HTTPRequestHead(head(client.request)), policy: policy)
        let answer = request.acceptance(subprotocol: nil, deflate: request.deflate)
        let agreed = try client.agreement(acceptedBy: HTTPResponseHead(head(answer)))
        let (ours, theirs) = try (#require(agreed.deflate), #require(request.deflate))
        // What the client sends, the server can read, and the other way round; both hold what they want to hold.
        #expect(ours.clientMaximumWindowBits <= theirs.clientMaximumWindowBits)
        #expect(ours.clientMaximumWindowBits <= clientOptions.sendingWindowBits)
        #expect(ours.serverMaximumWindowBits == theirs.serverMaximumWindowBits)
        #expect(theirs.serverMaximumWindowBits <= clientOptions.receivingWindowBits)
        #expect(theirs.serverMaximumWindowBits <= serverOptions.sendingWindowBits)
        #expect(theirs.clientMaximumWindowBits <= serverOptions.receivingWindowBits)
        #expect(ours.serverNoContextTakeover == theirs.serverNoContextTakeover)
        #expect(ours.clientNoContextTakeover || !theirs.clientNoContextTakeover)
        #expect(theirs.serverNoContextTakeover || serverOptions.keepsSendingContext)
        #expect(theirs.clientNoContextTakeover || serverOptions.keepsReceivingContext)
        #expect(ours.serverNoContextTakeover || clientOptions.keepsReceivingContext)
        count += 1
        // A server that holds too many connections already says no, and the client goes on without.
        let refusal = request.acceptance(subprotocol: nil)
        #expect(try client.agreement(acceptedBy: HTTPResponseHead(head(refusal))).deflate == nil)
      }
    }
    #expect(count == 256)
  }

  static let everyOptions: [PermessageDeflate.Options] = (0..<16).map { bits in
    var options = PermessageDeflate.Options()
    options.keepsSendingContext = bits & 1 != 0
    options.keepsReceivingContext = bits & 2 != 0
    if bits & 4 != 0 { options.sendingWindowBits = 10 }
    if bits & 8 != 0 { options.receivingWindowBits = 9 }
    return options
  }

  @Test("a server that compresses nothing agrees to nothing, but still reads the field")
  func noPolicy() throws {
    let text = OpeningHandshakeTests.good
    let offering = { (value: String) in
      text.replacing("Version: 13\n", with: "Version: 13\nSec-WebSocket-Extensions: \(value)\n")
    }
    #expect(try OpeningHandshakeTests.upgrade(offering("permessage-deflate")).deflate == nil)
    #expect(throws: HTTPError.malformedOffer) { try OpeningHandshakeTests.upgrade(offering("permessage-deflate;")) }
  }

  @Test("the subprotocol is all that the short form gives")
  func shortForm() throws {
    let client = ClientUpgrade(
      url: OpeningHandshakeTests.url, subprotocols: ["chat"], deflate: openOptions, nonce: OpeningHandshakeTests.nonce)
    let text = "HTTP/1.1 101 Switching Protocols\nSec-WebSocket-Protocol: chat\n" + OpeningHandshakeTests.accept + "\n"
    #expect(try client.subprotocol(acceptedBy: HTTPHeadTests.response(text)) == "chat")
  }
}
