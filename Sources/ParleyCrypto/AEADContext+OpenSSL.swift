internal import COpenSSL
import ParleyWire

/// An AEAD of OpenSSL's under one key, with nonces of 96 bits and tags of 128: what the ciphers of this module share.
///
/// The key schedule is made once; sealing and opening then allocate nothing beyond what the output needs.
@safe
struct AEADContext: ~Copyable, @unchecked Sendable {
  static let tagByteCount = 16

  /// Twelve bytes, read in network order.
  struct Nonce: Hashable, Sendable {
    static let byteCount = 12

    let high: UInt32
    let low: UInt64

    init(high: UInt32, low: UInt64) {
      self.high = high
      self.low = low
    }

    init(_ bytes: [UInt8]) {
      precondition(bytes.count == Self.byteCount)
      high = bytes[0..<4].reduce(0) { $0 << 8 | UInt32($1) }
      low = bytes[4..<12].reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  private let context: OpaquePointer

  /// Prepares a key, which has 32 bytes.
  init(_ cipher: OpenSSL.Fetched, key: SecretBytes) {
    precondition(key.count == 32)
    guard let context = unsafe EVP_CIPHER_CTX_new() else { preconditionFailure("out of memory") }
    unsafe self.context = context
    unsafe key.withUnsafeBytes { key in
      unsafe OpenSSL.require(
        EVP_CipherInit_ex2(
          context, cipher.pointer, key.octets, nil, 1, nil),
        "EVP_CipherInit_ex2")
    }
  }

  deinit {
    // Erases the key schedule too.
    unsafe EVP_CIPHER_CTX_free(context)
  }

  /// Appends the ciphertext of `plaintext` and then its tag to `output`.
  mutating func seal(
    _ plaintext: RawSpan, nonce: Nonce, additionalData: RawSpan, appendingTo output: inout [UInt8]
  ) {
    let start = output.count
    output.append(contentsOf: plaintext)
    seal(&output, from: start, nonce: nonce, additionalData: additionalData)
  }

  /// Encrypts the bytes of `buffer` from `start` on where they are, and appends the tag.
  ///
  /// - Precondition: `start` is at most `buffer.count`.
  mutating func seal(_ buffer: inout [UInt8], from start: Int, nonce: Nonce, additionalData: RawSpan) {
    let end = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: Self.tagByteCount))
    seal(&buffer, start..<end, nonce: nonce, additionalData: additionalData)
  }

  /// Encrypts the bytes `text` of `buffer` where they are, and writes the tag over the ``tagByteCount`` bytes after them.
  ///
  /// Nothing is allocated.
  ///
  /// - Precondition: `text` and a tag after it lie within `buffer`.
  mutating func seal(_ buffer: inout [UInt8], _ text: Range<Int>, nonce: Nonce, additionalData: RawSpan) {
    precondition(text.lowerBound >= 0 && text.upperBound <= buffer.count - Self.tagByteCount)
    unsafe buffer.withUnsafeMutableBytes { buffer in
      begin(sealing: true, nonce: nonce, additionalData: additionalData)
      unsafe transform(UnsafeMutableRawBufferPointer(rebasing: buffer[text]))
      var written: CInt = 0
      let tag = unsafe buffer.octets + text.upperBound
      unsafe OpenSSL.require(EVP_CipherFinal_ex(context, tag, &written), "EVP_CipherFinal_ex")
      unsafe readTag(into: tag)
    }
  }

  /// Appends the plaintext of `sealed`, a ciphertext and its tag, to `output`.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``, also for input shorter than a tag. `output` is then as it was.
  mutating func open(
    _ sealed: RawSpan, nonce: Nonce, additionalData: RawSpan, appendingTo output: inout [UInt8]
  ) throws(CryptoError) {
    guard sealed.byteCount >= Self.tagByteCount else { throw .authenticationFailed }
    let start = output.count
    output.append(contentsOf: sealed)
    do throws(CryptoError) {
      try open(&output, from: start, nonce: nonce, additionalData: additionalData)
    } catch {
      output.removeLast(output.count - start)
      throw error
    }
  }

  /// Decrypts the bytes of `buffer` from `start` on, a ciphertext and its tag, where they are, and removes the tag.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``, also for input shorter than a tag. What was decrypted is then
  ///   overwritten with zeros.
  /// - Precondition: `start` is at most `buffer.count`.
  mutating func open(
    _ buffer: inout [UInt8], from start: Int, nonce: Nonce, additionalData: RawSpan
  ) throws(CryptoError) {
    precondition(start >= 0 && start <= buffer.count)
    let end = buffer.count - Self.tagByteCount
    guard end >= start else { throw .authenticationFailed }
    try open(&buffer, start..<end, nonce: nonce, additionalData: additionalData)
    buffer.removeLast(Self.tagByteCount)
  }

  /// Decrypts the bytes `text` of `buffer` where they are; their tag is the ``tagByteCount`` bytes after them, and stays.
  ///
  /// Nothing is allocated.
  ///
  /// - Throws: ``CryptoError/authenticationFailed``. What was decrypted is then overwritten with zeros.
  /// - Precondition: `text` and a tag after it lie within `buffer`.
  mutating func open(
    _ buffer: inout [UInt8], _ text: Range<Int>, nonce: Nonce, additionalData: RawSpan
  ) throws(CryptoError) {
    precondition(text.lowerBound >= 0 && text.upperBound <= buffer.count - Self.tagByteCount)
    let isAuthentic = unsafe buffer.withUnsafeMutableBytes { buffer in
      begin(sealing: false, nonce: nonce, additionalData: additionalData)
      let tag = unsafe buffer.octets + text.upperBound
      unsafe OpenSSL.require(
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CInt(Self.tagByteCount), tag), "EVP_CTRL_AEAD_SET_TAG")
      let text = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[text])
      unsafe transform(text)
      var written: CInt = 0
      let isAuthentic = unsafe EVP_CipherFinal_ex(context, tag, &written) == 1
      if !isAuthentic {
        unsafe text.initializeMemory(as: UInt8.self, repeating: 0)
        OpenSSL.forgetErrors()
      }
      return isAuthentic
    }
    guard isAuthentic else { throw .authenticationFailed }
  }

  /// Writes the tag of what was sealed.
  ///
  /// `EVP_CTRL_AEAD_GET_TAG` does the same and takes 35 ns longer.
  @inline(__always)
  private mutating func readTag(into tag: UnsafeMutablePointer<UInt8>) {
    unsafe withUnsafeTemporaryAllocation(of: OSSL_PARAM.self, capacity: 2) { parameters in
      unsafe parameters.initializeElement(
        at: 0,
        to: OSSL_PARAM_construct_octet_string(OpenSSL.ParameterName.tag.pointer, tag, Self.tagByteCount))
      unsafe parameters.initializeElement(at: 1, to: OSSL_PARAM_construct_end())
      unsafe OpenSSL.require(
        EVP_CIPHER_CTX_get_params(context, parameters.baseAddress), "EVP_CIPHER_CTX_get_params")
    }
  }

  @inline(__always)
  private mutating func begin(sealing: Bool, nonce: Nonce, additionalData: RawSpan) {
    unsafe withUnsafeTemporaryAllocation(byteCount: Nonce.byteCount, alignment: 8) { bytes in
      unsafe bytes.storeBytes(of: nonce.high.bigEndian, toByteOffset: 0, as: UInt32.self)
      unsafe bytes.storeBytes(of: nonce.low.bigEndian, toByteOffset: 4, as: UInt64.self)
      let start = unsafe bytes.octets
      unsafe OpenSSL.require(
        EVP_CipherInit_ex2(context, nil, nil, start, sealing ? 1 : 0, nil), "EVP_CipherInit_ex2")
    }
    guard additionalData.byteCount > 0 else { return }
    unsafe additionalData.withUnsafeBytes { data in
      var written: CInt = 0
      unsafe OpenSSL.require(
        EVP_CipherUpdate(
          context, nil, &written, data.octets, CInt(data.count)),
        "EVP_CipherUpdate")
    }
  }

  @inline(__always)
  private mutating func transform(_ text: UnsafeMutableRawBufferPointer) {
    guard text.count > 0 else { return }
    let start = unsafe text.octets
    var written: CInt = 0
    unsafe OpenSSL.require(
      EVP_CipherUpdate(context, start, &written, start, CInt(text.count)), "EVP_CipherUpdate")
    precondition(Int(written) == text.count)
  }
}
