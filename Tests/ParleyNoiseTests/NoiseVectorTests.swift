import ParleyNoise
import TestSupport
import Testing

@Suite("Noise, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct NoiseVectorTests {
  @Test(
    "cacophony, snow and the hybrid set: every byte of every message, on both sides",
    arguments: [
      ("cacophony_core", 20), ("cacophony_other_patterns", 216), ("snow_core", 20), ("snow_other_patterns", 184),
      ("hfs_25519_mlkem768_generated", 24),
    ])
  func vectors(file: String, count: Int) throws {
    let vectors = try SharedVectors.json("noise/\(file).json", as: NoiseVector.File.self).vectors
    for vector in vectors { try vector.check() }
    #expect(vectors.count == count)
  }

  @Test("flynn/noise")
  func flynn() throws {
    let vectors = try SharedVectors.json("noise/flynn_core_psk.json", as: [String: [[String: String]]].self)
    let all = try #require(vectors["vectors"])
    for fields in all { try NoiseVector(flynn: fields).check() }
    #expect(all.count == 352)
  }

  @Test("every pattern has a vector, and only BOLT 8 is of another curve")
  func coverage() throws {
    var names = Set<String>()
    for file in ["cacophony_core", "cacophony_other_patterns", "hfs_25519_mlkem768_generated"] {
      for vector in try SharedVectors.json("noise/\(file).json", as: NoiseVector.File.self).vectors {
        names.insert(try NoiseProtocol(parsing: vector.protocol_name).pattern.name)
      }
    }
    for pattern in HandshakePattern.all { #expect(names.contains(pattern.name), "\(pattern.name)") }

    struct Case: Decodable { let name: String }
    let others = try SharedVectors.json("noise/bolt8_xk_secp256k1.json", as: [Case].self)
    #expect(others.count == 15, "cases of Noise_XK_secp256k1_ChaChaPoly_SHA256, not run")
    #expect(throws: NoiseError.unknownProtocol("Noise_XK_secp256k1_ChaChaPoly_SHA256")) {
      try NoiseProtocol(parsing: "Noise_XK_secp256k1_ChaChaPoly_SHA256")
    }
  }
}
