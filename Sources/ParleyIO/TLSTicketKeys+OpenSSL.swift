internal import COpenSSL
internal import ParleyCrypto

/// The keys that a server seals its session tickets with (RFC 5077 section 4), so that it need not remember sessions.
///
/// A key seals for ``lifetime`` and opens for as long again, which is how long a ticket lives: whoever steals the keys
/// learns of no connection older than twice that. Nothing keeps them past the process.
final class TLSTicketKeys: Sendable {
  static let lifetime: Duration = .seconds(3600)

  private struct Key {
    static let nameByteCount = 16

    let name = SystemRandom.bytes(nameByteCount)
    let cipher = SecretBytes.random(count: 32)
    let authenticator = SecretBytes.random(count: 32)
    let birth: ContinuousClock.Instant
  }

  private struct Ring {
    var current: Key
    var previous: Key?

    mutating func turn(_ now: ContinuousClock.Instant) {
      if let key = previous, now - key.birth >= lifetime * 2 { previous = nil }
      guard now - current.birth >= lifetime else { return }
      previous = now - current.birth < lifetime * 2 ? current : nil
      current = Key(birth: now)
    }
  }

  private let ring: Locked<Ring>

  init(now: ContinuousClock.Instant = .now) { ring = Locked(Ring(current: Key(birth: now))) }

  private func sealingKey(_ now: ContinuousClock.Instant) -> Key {
    ring.withLock { ring in
      ring.turn(now)
      return ring.current
    }
  }

  /// The key of that name, if it still opens.
  private func openingKey(_ name: [UInt8], _ now: ContinuousClock.Instant) -> Key? {
    ring.withLock { ring in
      ring.turn(now)
      return [ring.current, ring.previous].compactMap(\.self).first { $0.name == name }
    }
  }

  /// The names of the keys that open at this time, the one that seals first.
  func names(now: ContinuousClock.Instant) -> [[UInt8]] {
    ring.withLock { ring in
      ring.turn(now)
      return [ring.current.name] + (ring.previous.map { [$0.name] } ?? [])
    }
  }

  /// Has the tickets of a context sealed and opened with the keys of its sessions' servers.
  static func install(in context: OpaquePointer) {
    unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context) { session, name, iv, cipher, authenticator, isSealing in
      guard let session = unsafe session, let name = unsafe name, let iv = unsafe iv, let cipher = unsafe cipher,
        let authenticator = unsafe authenticator, let keys = unsafe TLSSession.of(session)?.ticketKeys
      else { return isSealing == 1 ? -1 : 0 }
      // TLS 1.2 would send what it resumes in the clear, and without a new key exchange.
      guard unsafe SSL_version(session) == TLS1_3_VERSION else { return 0 }
      return isSealing == 1
        ? unsafe keys.seal(name, iv, cipher, authenticator)
        : unsafe keys.open(name, iv, cipher, authenticator)
    }
  }

  private func seal(
    _ name: UnsafeMutablePointer<UInt8>, _ iv: UnsafeMutablePointer<UInt8>, _ cipher: OpaquePointer,
    _ authenticator: OpaquePointer
  ) -> CInt {
    let key = sealingKey(.now)
    unsafe name.update(from: key.name, count: Key.nameByteCount)
    guard unsafe RAND_bytes(iv, 16) == 1 else { return -1 }
    let isReady = key.cipher.withBytes { bytes in
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe EVP_EncryptInit_ex(
          cipher, EVP_aes_256_cbc(), nil, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), iv)
      }
    }
    return unsafe isReady == 1 && Self.use(key.authenticator, in: authenticator) ? 1 : -1
  }

  private func open(
    _ name: UnsafeMutablePointer<UInt8>, _ iv: UnsafeMutablePointer<UInt8>, _ cipher: OpaquePointer,
    _ authenticator: OpaquePointer
  ) -> CInt {
    let name = unsafe [UInt8](UnsafeBufferPointer(start: name, count: Key.nameByteCount))
    // Without the key, a full handshake.
    guard let key = openingKey(name, .now) else { return 0 }
    let isReady = key.cipher.withBytes { bytes in
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe EVP_DecryptInit_ex(
          cipher, EVP_aes_256_cbc(), nil, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), iv)
      }
    }
    // 2 has the server issue the next one, as each serves once.
    return unsafe isReady == 1 && Self.use(key.authenticator, in: authenticator) ? 2 : -1
  }

  private static func use(_ key: SecretBytes, in authenticator: OpaquePointer) -> Bool {
    key.withBytes { bytes in
      unsafe bytes.withUnsafeBytes { unsafe COpenSSL_use_HMAC_SHA256(authenticator, $0.baseAddress, $0.count) == 1 }
    }
  }
}
