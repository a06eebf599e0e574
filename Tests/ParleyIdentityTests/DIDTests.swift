import ParleyIdentity
import Testing

/// The short form of the handshake vector's initiator.
let shortPeer = "did:peer:4zQmPyznJUPA4VSs9UYXksQk22e3h7R2H9pp7qreHZuonyPW"

@Suite("DIDs")
struct DIDTests {
  @Test(
    "well-formed",
    arguments: [
      ("did:example:123", DID.Method.other("example")), ("did:a1:x:y:z", .other("a1")), ("did:x:%41", .other("x")),
      ("did:x::y", .other("x")), ("did:x:A.b-c_d", .other("x")),
      ("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", .key),
      ("did:web:example.com", .web), ("did:web:example.com%3A3000:user:Alice_1", .web), ("did:web:localhost%3A1", .web),
      ("did:jwk:e30", .jwk), ("did:webvh:QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n:a.example", .webvh),
      (shortPeer, .peer4),
    ])
  func wellFormed(text: String, method: DID.Method) throws {
    let did = try DID(parsing: text)
    #expect(did.string == text)
    #expect(did.method == method)
    #expect(did.shortForm == did)
    #expect(!did.isLongForm)
    #expect(did.description == text)
  }

  @Test(
    "refused",
    arguments: [
      "", "did", "did:", "did:x", "did:x:", "did::x", "did:x:y:", "DID:x:y", "Did:x:y", "did:X:y", "did:x y:z",
      "did:x:y z",
      "did:x:y/path", "did:x:y?query", "did:x:y#key-1", "did:x:%4", "did:x:%", "did:x:%zz", "did:x:\u{E9}", " did:x:y",
      "did:x:y ", "did:x:y\n", "did:x:y\0", "did:example:\u{212A}", "d\u{131}d:x:y", "urn:did:x:y", "did:x-y:z",
      "did:x:~", "did:x:a+b",
    ])
  func refused(text: String) {
    #expect(throws: IdentityError.malformedDID(text)) { try DID(parsing: text) }
  }

  @Test(
    "did:peer:4 is refused unless the hash is one",
    arguments: [
      "did:peer:4", "did:peer:4z", String(shortPeer.dropLast()), shortPeer + "1", shortPeer + ":", shortPeer + ":z",
      shortPeer + ":u123", shortPeer + ":z2:z3", shortPeer.replacing("4zQm", with: "4uQm"),
      shortPeer.replacing("4zQm", with: "4zQn"), shortPeer.replacing("U", with: "0"),
      "did:peer:4zQm" + String(repeating: "z", count: 44),
    ])
  func refusedPeer(text: String) {
    #expect(throws: IdentityError.self) { try DID(parsing: text) }
  }

  @Test(
    "did:web has one spelling",
    arguments: [
      "did:web:", "did:web:example.com/path", "did:web:example.com:", "did:web:exa mple.com", "did:web:..%2f..%2fetc",
      "DID:web:example.com", "did:WEB:example.com", "did:web:Example.com", "did:web:example.com%3a3000",
      "did:web:example.com%3A", "did:web:example.com%3A0", "did:web:example.com%3A03000", "did:web:example.com%3A65536",
      "did:web:example.com%3A+1", "did:web:example.com%2Fuser", "did:web:ex%61mple.com", "did:web:example.com::user",
      "did:web:example.com:.:user", "did:web:example.com:..", "did:web:example.com:%2E%2E",
      "did:web:example.com:us%65r",
      "did:web:example..com", "did:web:.example.com", "did:web:example.com.", "did:web:-a.com", "did:web:a-.com",
      "did:web:127.0.0.1", "did:web:10", "did:web:1.2.3.4%3A80", "did:web:exam_ple.com",
      "did:web:" + String(repeating: "a", count: 64) + ".com",
    ])
  func refusedWeb(text: String) {
    #expect(throws: IdentityError.self) { try DID(parsing: text) }
  }

  @Test("lengths at the limit and one past it")
  func lengths() throws {
    let longest = "did:x:" + String(repeating: "y", count: DID.characterLimit - 6)
    #expect(try DID(parsing: longest).string.count == 255)
    #expect(throws: IdentityError.malformedDID(String((longest + "y").prefix(IdentityError.textLimit)) + "...")) {
      try DID(parsing: longest + "y")
    }
    let long = shortPeer + ":z" + String(repeating: "2", count: DID.longFormCharacterLimit - shortPeer.count - 2)
    #expect(try DID(parsing: long).isLongForm)
    #expect(try DID(parsing: long).shortForm.string == shortPeer)
    #expect(throws: IdentityError.self) { try DID(parsing: long + "2") }
    let label = "did:web:" + String(repeating: "a", count: 63) + ".com"
    #expect(try DID(parsing: label).method == .web)
  }

  @Test func urls() throws {
    let did = try DID(parsing: "did:web:example.com")
    let url = try DIDURL(parsing: "did:web:example.com#key-1")
    #expect(url.did == did && url.fragment == "key-1" && url.string == "did:web:example.com#key-1")
    #expect(try DIDURL(parsing: "#key-1", relativeTo: did) == url)
    #expect(try DIDURL(did: did, fragment: String(repeating: "a", count: 255)).fragment.count == 255)
    #expect(throws: IdentityError.self) { try DIDURL(did: did, fragment: String(repeating: "a", count: 256)) }
  }

  @Test(
    "URLs that are refused",
    arguments: [
      "#key-1", "did:web:example.com", "did:web:example.com#", "did:web:example.com#a b", "did:web:example.com#a#b",
      "did:web:example.com/path#a", "did:web:example.com?x#a", "key-1", "did:web:example.com#\u{E9}",
      "did:web:example.com#a%41",
      "DID:web:example.com#a", "did:web:example.com#a/b",
    ])
  func refusedURL(text: String) {
    #expect(throws: IdentityError.self) { try DIDURL(parsing: text) }
  }
}
