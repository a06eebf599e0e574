import ParleyCrypto
import ParleyNoise
import Testing

@Suite("Patterns and names")
struct HandshakePatternTests {
  @Test("names are read and written as they were, whichever modifiers they have")
  func names() throws {
    for name in [
      "Noise_XX_25519_ChaChaPoly_SHA256", "Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256", "Noise_N_25519_AESGCM_BLAKE2s",
      "Noise_X1X1_25519_ChaChaPoly_BLAKE2s", "Noise_XXpsk0+psk1+psk2+psk3_25519_AESGCM_SHA256",
      "Noise_IKhfspsk2_25519+MLKEM768_AESGCM_SHA256", "Noise_IKhfs+psk2_25519+MLKEM768_AESGCM_SHA256",
    ] {
      #expect(try NoiseProtocol(parsing: name).name == name)
    }
    #expect(NoiseProtocol(.xx, .chaChaPoly, .sha256).name == "Noise_XX_25519_ChaChaPoly_SHA256")
    #expect(NoiseProtocol(.xxhfs, .aesGCM, .sha256).name == "Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256")
  }

  @Test(
    "what is not here is refused, and told in at most 96 bytes",
    arguments: [
      "", "Noise", "Noise_XX_25519_ChaChaPoly", "Noise_XX_25519_ChaChaPoly_SHA256_", "noise_XX_25519_ChaChaPoly_SHA256",
      "Noise_XX_448_ChaChaPoly_SHA256", "Noise_XX_25519_ChaChaPoly_SHA512", "Noise_XX_25519_AES_SHA256",
      "Noise_ZZ_25519_AESGCM_SHA256", "Noise_XXfallback_25519_AESGCM_SHA256", "Noise__25519_AESGCM_SHA256",
      // A hybrid pattern without its KEM, a KEM without its pattern, and the name with hyphens that Noise forbids.
      "Noise_XXhfs_25519_AESGCM_SHA256", "Noise_XX_25519+MLKEM768_AESGCM_SHA256",
      "Noise_XXhfs_25519+ML-KEM-768_AESGCM_SHA256",
      // Modifiers.
      "Noise_XXpsk4_25519_AESGCM_SHA256", "Noise_XXpsk_25519_AESGCM_SHA256", "Noise_XXpskA_25519_AESGCM_SHA256",
      "Noise_XXpsk00_25519_AESGCM_SHA256", "Noise_XXpsk1+psk1_25519_AESGCM_SHA256",
      "Noise_XXpsk0+psk0_25519_AESGCM_SHA256", "Noise_XXpsk0+_25519_AESGCM_SHA256", "Noise_XX+psk0_25519_AESGCM_SHA256",
      "Noise_XXpsk0psk1_25519_AESGCM_SHA256", "Noise_Npsk2_25519_AESGCM_SHA256", "Noise_psk0_25519_AESGCM_SHA256",
      "Noise_" + String(repeating: "X", count: 200) + "_25519_AESGCM_SHA256",
    ])
  func refused(name: String) {
    #expect(throws: NoiseError.unknownProtocol(String(name.prefix(96)))) { try NoiseProtocol(parsing: name) }
  }

  @Test("the table: 44 patterns of different names, and each key agreed on was sent or known before")
  func table() {
    let all = HandshakePattern.all
    #expect(all.count == 44)
    #expect(Set(all.map(\.name)).count == all.count)
    for pattern in all {
      // What each side has of the other's.
      var known: [NoiseRole: Set<HandshakePattern.Token>] = [
        .initiator: pattern.knowsResponder ? [.s] : [], .responder: pattern.knowsInitiator ? [.s] : [],
      ]
      var seen = Set<HandshakePattern.Token>()
      for (index, message) in pattern.messages.enumerated() {
        let reader: NoiseRole = index.isMultiple(of: 2) ? .responder : .initiator
        for token in message {
          switch token {
          case .e, .s, .e1: #expect(known[reader]?.insert(token).inserted == true, "\(pattern.name): \(token) twice")
          case .ee: #expect(known.values.allSatisfy { $0.contains(.e) }, "\(pattern.name)")
          case .es: #expect(has(known, .responder, .e) && has(known, .initiator, .s), "\(pattern.name)")
          case .se: #expect(has(known, .responder, .s) && has(known, .initiator, .e), "\(pattern.name)")
          case .ss: #expect(has(known, .responder, .s) && has(known, .initiator, .s), "\(pattern.name)")
          case .ekem1: #expect(has(known, .responder, .e1) && reader == .initiator, "\(pattern.name)")
          case .psk: Issue.record("\(pattern.name): a modifier")
          }
          if ![.e, .s, .e1].contains(token) { #expect(seen.insert(token).inserted, "\(pattern.name): \(token) twice") }
        }
      }
    }
  }

  private func has(
    _ known: [NoiseRole: Set<HandshakePattern.Token>], _ side: NoiseRole, _ token: HandshakePattern.Token
  ) -> Bool {
    known[side]?.contains(token) == true
  }

  @Test("psk0 begins the first message, and each other ends its own")
  func psk() throws {
    let pattern = try #require(HandshakePattern(parsing: "XXpsk0+psk3"))
    #expect(pattern.messages == [[.psk, .e], [.e, .ee, .s, .es], [.s, .se, .psk]])
    #expect(pattern.pskCount == 2)
    #expect(HandshakePattern(parsing: "NNpsk1")?.messages == [[.e, .psk], [.e, .ee]])
    #expect(HandshakePattern(parsing: "XXhfspsk2")?.messages[1] == [.e, .ee, .ekem1, .s, .es, .psk])
  }
}
