import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyPeer

private let peer = PeerID(PeerPublicKey(PeerIDTests.key))

@Suite("Multiaddrs")
struct MultiaddrTests {
  static let known: [(text: String, hex: String)] = [
    ("/ip4/127.0.0.1/tcp/4321", "047f0000010610e1"),
    ("/ip4/0.0.0.0/tcp/0", "0400000000060000"),
    ("/ip6/::1/tcp/65535/ws", "290000000000000000000000000000000106ffffdd03"),
    ("/dns4/example.org/tcp/443/tls/ws", "360b6578616d706c652e6f72670601bbc003dd03"),
    ("/dns6/a/tcp/1/wss", "37016106" + "0001" + "de03"),
    ("/ip4/192.0.2.7/udp/4001/quic-v1/webtransport", "04c000020791020fa1cd03d103"),
    ("/p2p/\(peer)/p2p-circuit", "a50326" + peer.bytes.hex + "a202"),
    ("/ip4/192.0.2.7/udp/9/webrtc-direct/certhash/uEgMBAgM", "04c0000207910200099802d203" + "05" + "1203010203"),
  ]

  @Test("known texts and bytes, in both directions", arguments: known)
  func knownAddresses(text: String, hex: String) throws {
    let address = try Multiaddr(parsing: text)
    #expect(address.bytes.hex == hex)
    #expect(try Multiaddr(bytes: address.bytes) == address)
    #expect(address.description == text)
  }

  @Test("every spelling of an address becomes one")
  func canonical() throws {
    for text in [
      "/p2p/\(peer.cid)", "/ipfs/\(peer)", "/p2p/\(peer)/", "/p2p/z\(Base58BTC.encode([1, 0x72] + peer.bytes))",
    ] {
      #expect(try Multiaddr(parsing: text).description == "/p2p/\(peer)", "\(text)")
    }
    let texts = [
      "/ip6/2001:DB8:0:0:1:0:0:1": "/ip6/2001:db8::1:0:0:1", "/ip6/0:0:0:0:0:0:0:0": "/ip6/::",
      "/ip6/1:0:2:3:4:5:6:7": "/ip6/1:0:2:3:4:5:6:7", "/ip6/1::2:3:4:5:6:7": "/ip6/1:0:2:3:4:5:6:7",
      "/ip6/::ffff:192.0.2.1": "/ip6/::ffff:192.0.2.1", "/ip6/::FFFF:c000:0201": "/ip6/::ffff:192.0.2.1",
      "/ip6/1:0:0:2:0:0:0:3": "/ip6/1:0:0:2::3", "/ip6/fe80::": "/ip6/fe80::", "/ip6/::1:2": "/ip6/::1:2",
      "/ip6/0001::": "/ip6/1::", "/ip6/1:2:3:4:5:6:1.2.3.4": "/ip6/1:2:3:4:5:6:102:304",
    ]
    for (text, usual) in texts { #expect(try Multiaddr(parsing: text).description == usual, "\(text)") }
  }

  @Test("the peer at the end")
  func peers() throws {
    let other = PeerID(PeerPublicKey(Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](1..<33))).publicKey))
    let address = try Multiaddr(parsing: "/ip4/127.0.0.1/tcp/1")
    #expect(address.peerID == nil)
    let named = try address.naming(peer)
    #expect(named.description == "/ip4/127.0.0.1/tcp/1/p2p/\(peer)")
    #expect(named.peerID == peer)
    #expect(try named.naming(other).description == "/ip4/127.0.0.1/tcp/1/p2p/\(other)")
    #expect(try Multiaddr(parsing: "/ip4/127.0.0.1/tcp/1/p2p/\(peer)/p2p-circuit").peerID == nil)
    #expect(
      try Multiaddr([.ip([127, 0, 0, 1]), .tcp(1), .tls, .ws, .p2p(peer)]).description.hasSuffix("/tls/ws/p2p/\(peer)"))
  }

  @Test(
    "text that is no address, each for its reason",
    arguments: [
      ("", MultiaddrError.malformed), ("ip4/1.2.3.4", .malformed), ("/", .malformed), ("//", .unknownProtocol("")),
      ("/ip4/1.2.3.4//", .unknownProtocol("")), ("/ip4", .missingValue(.ip4)), ("/ip4/", .missingValue(.ip4)),
      ("/IP4/1.2.3.4", .unknownProtocol("IP4")), ("/ip4\u{301}/1.2.3.4", .unknownProtocol("ip4\u{301}")),
      ("/onion3/a:1", .unknownProtocol("onion3")), ("/ws/1", .unknownProtocol("1")),
      ("/ip4/1.2.3", .invalidValue(.ip4)), ("/ip4/1.2.3.256", .invalidValue(.ip4)),
      ("/ip4/01.2.3.4", .invalidValue(.ip4)), ("/ip4/1.2.3.4.5", .invalidValue(.ip4)),
      ("/ip4/1.2.3.+4", .invalidValue(.ip4)), ("/ip4/::1", .invalidValue(.ip4)), ("/ip4/1.2.3.٤", .invalidValue(.ip4)),
      ("/ip6/1.2.3.4", .invalidValue(.ip6)), ("/ip6/:", .invalidValue(.ip6)), ("/ip6/:::", .invalidValue(.ip6)),
      ("/ip6/1::2::3", .invalidValue(.ip6)), ("/ip6/1:2:3:4:5:6:7", .invalidValue(.ip6)),
      ("/ip6/1:2:3:4:5:6:7:8:9", .invalidValue(.ip6)), ("/ip6/1:2:3:4::5:6:7:8", .invalidValue(.ip6)),
      ("/ip6/12345::", .invalidValue(.ip6)), ("/ip6/g::", .invalidValue(.ip6)), ("/ip6/1.2.3.4::", .invalidValue(.ip6)),
      ("/ip6/fe80::1%eth0", .invalidValue(.ip6)), ("/ip6/1:2:3:4:5:6:7:1.2.3.4", .invalidValue(.ip6)),
      ("/tcp/65536", .invalidValue(.tcp)), ("/tcp/-1", .invalidValue(.tcp)), ("/tcp/+1", .invalidValue(.tcp)),
      ("/tcp/080", .invalidValue(.tcp)), ("/tcp/ws", .invalidValue(.tcp)), ("/tcp/123456", .invalidValue(.tcp)),
      ("/tcp//ws", .invalidValue(.tcp)), ("/dns/a..b/tcp/1", .invalidValue(.dns)), ("/dns/.", .invalidValue(.dns)),
      ("/dns/exämple.org", .invalidValue(.dns)), ("/dns/a b", .invalidValue(.dns)),
      ("/dns/\(String(repeating: "a", count: 64))", .invalidValue(.dns)), ("/p2p/Qm", .invalidValue(.p2p)),
      ("/certhash/b2uaraocy6yrdblb4sfptaddgimjmmp", .invalidValue(.certhash)),
      ("/certhash/uEgQBAgM", .invalidValue(.certhash)),
      ("/certhash/uEgA", .invalidValue(.certhash)), ("/certhash/", .missingValue(.certhash)),
    ])
  func refused(text: String, error: MultiaddrError) {
    #expect(throws: error) { try Multiaddr(parsing: text) }
  }

  @Test("bytes that are no address, each for its reason")
  func refusedBytes() {
    let cases: [(hex: String, error: MultiaddrError)] = [
      ("", .malformed), ("047f0000", .missingValue(.ip4)), ("06", .missingValue(.tcp)), ("0600", .missingValue(.tcp)),
      ("8400", .malformedNumber), ("80", .malformedNumber), ("ffffffffffffffffff01", .malformedNumber),
      ("9003" + "0161", .unknownCode(400)), ("00", .unknownCode(0)), ("36", .malformedNumber),
      ("3602" + "61", .missingValue(.dns4)), ("3600", .invalidValue(.dns4)), ("3601" + "20", .invalidValue(.dns4)),
      ("36ffffffffffffffff7f61", .missingValue(.dns4)), ("3601ff", .invalidValue(.dns4)),
      ("a50300", .invalidValue(.p2p)), ("a50325" + String(peer.bytes.hex.dropLast(2)), .invalidValue(.p2p)),
      ("a50328" + "0172" + peer.bytes.hex, .invalidValue(.p2p)), ("d20304120101", .missingValue(.certhash)),
      ("d20304" + "12010101", .invalidValue(.certhash)),
    ]
    for (hex, error) in cases {
      #expect(throws: error, "\(hex)") { try Multiaddr(bytes: [UInt8](hex: hex) ?? []) }
    }
  }

  @Test("each limit, at it and one past it")
  func limits() throws {
    let many = String(repeating: "/ws", count: Multiaddr.componentCountLimit)
    #expect(try Multiaddr(parsing: many).components.count == Multiaddr.componentCountLimit)
    #expect(throws: MultiaddrError.tooManyComponents(limit: 16)) { try Multiaddr(parsing: many + "/ws") }
    #expect(throws: MultiaddrError.tooManyComponents(limit: 16)) {
      try Multiaddr(bytes: [UInt8](repeating: 0, count: 0) + (0..<17).flatMap { _ in [0xDD, 0x03] as [UInt8] })
    }
    let label = String(repeating: "a", count: 63)
    let longest = "\(label).\(label).\(label).\(label.dropLast(2))"
    #expect(longest.utf8.count == 253)
    for name in [longest, longest + "."] {
      #expect(try Multiaddr(parsing: "/dns/\(name)").description == "/dns/\(name)")
    }
    #expect(throws: MultiaddrError.invalidValue(.dns)) { try Multiaddr(parsing: "/dns/\(longest)a") }
    // Four of 1 + 2 + 253 bytes are as many as there may be.
    let four = String(repeating: "/dns/\(longest)", count: 4)
    #expect(try Multiaddr(parsing: four).bytes.count == Multiaddr.byteCountLimit)
    #expect(throws: MultiaddrError.tooLong(limit: 1024)) { try Multiaddr(parsing: four + "/ws") }
    let bytes = try Multiaddr(parsing: four).bytes
    #expect(throws: MultiaddrError.tooLong(limit: 1024)) { try Multiaddr(bytes: bytes + [0xDD, 0x03]) }
    let text = "/" + String(repeating: "a", count: Multiaddr.textByteCountLimit - 1)
    #expect(throws: MultiaddrError.unknownProtocol(String(text.dropFirst()))) { try Multiaddr(parsing: text) }
    #expect(throws: MultiaddrError.tooLong(limit: 2048)) { try Multiaddr(parsing: text + "a") }
  }

  @Test("an address cut anywhere is none, or a shorter one that reads back", arguments: known)
  func cut(text: String, hex: String) throws {
    let bytes = try #require([UInt8](hex: hex))
    for count in 0..<bytes.count {
      guard let address = try? Multiaddr(bytes: Array(bytes.prefix(count))) else { continue }
      #expect(address.bytes == Array(bytes.prefix(count)))
      #expect(try Multiaddr(parsing: address.description) == address)
    }
  }
}

@Suite("Multiaddrs, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct MultiaddrVectorTests {
  struct Vectors: Decodable {
    struct Pair: Decodable { let text: String, hex: String }
    let valid: [String], invalid: [String], string_hex_pairs: [Pair]
  }

  /// Protocols of go-multiaddr that Parley has no use for.
  static let foreign: Set = [
    "ipcidr", "ip6zone", "onion", "onion3", "garlic64", "garlic32", "sctp", "udt", "utp", "unix", "memory", "http-path",
    "p2p-webrtc-direct",
  ]

  @Test("go-multiaddr's valid addresses are read and read back, but for those of foreign protocols")
  func valid() throws {
    let vectors = try SharedVectors.json("libp2p/multiaddr.json", as: Vectors.self)
    var (read, refused) = (0, 0)
    for text in vectors.valid {
      // What follows a foreign name may be no name.
      let isForeign = text.split(separator: "/").contains { Self.foreign.contains(String($0)) }
      do throws(MultiaddrError) {
        let address = try Multiaddr(parsing: text)
        #expect(!isForeign)
        #expect(try Multiaddr(bytes: address.bytes) == address)
        #expect(try Multiaddr(parsing: address.description) == address)
        read += 1
      } catch {
        #expect(isForeign, "\(text): \(error)")
        guard case .unknownProtocol = error else {
          Issue.record("\(text): \(error)")
          continue
        }
        refused += 1
      }
    }
    #expect(read + refused == vectors.valid.count)
    #expect(read >= 50)
  }

  @Test("its invalid addresses are refused")
  func invalid() throws {
    let vectors = try SharedVectors.json("libp2p/multiaddr.json", as: Vectors.self)
    #expect(vectors.invalid.count == 66)
    for text in vectors.invalid { #expect(throws: MultiaddrError.self, "\(text)") { try Multiaddr(parsing: text) } }
  }

  @Test("its bytes")
  func pairs() throws {
    let pairs = try SharedVectors.json("libp2p/multiaddr.json", as: Vectors.self).string_hex_pairs
    var count = 0
    for pair in pairs where !Self.foreign.contains(String(pair.text.split(separator: "/")[0])) {
      #expect(try Multiaddr(parsing: pair.text).bytes.hex == pair.hex)
      #expect(try Multiaddr(bytes: #require([UInt8](hex: pair.hex))).description == pair.text)
      count += 1
    }
    #expect(count == 3)
  }
}
