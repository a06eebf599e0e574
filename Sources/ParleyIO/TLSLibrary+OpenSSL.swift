internal import COpenSSL
internal import ParleyWebSocket

/// One `SSL_CTX`, freed with the last reference.
///
/// Set up by the thread that makes it, and only used afterwards: so it may be shared (openssl-threads(7)).
@safe
final class TLSContextHandle: @unchecked Sendable {
  let pointer: OpaquePointer

  init(_ method: OpaquePointer?, minimumVersion: TLSVersion) throws(IOError) {
    guard let context = unsafe SSL_CTX_new(method) else { throw .tls(TLSLibrary.takeError()) }
    unsafe pointer = context
    let version = minimumVersion == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION
    precondition(unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, version) == 1)
    precondition(
      unsafe COpenSSL_SSL_CTX_set1_groups_list(context, TLSLibrary.groups) == 1, "OpenSSL 3.5 is needed")
    precondition(unsafe SSL_CTX_set_cipher_list(context, TLSLibrary.ciphers) == 1)
    unsafe SSL_CTX_set_options(context, COpenSSL_SSL_OP_NO_RENEGOTIATION)
    let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS
    _ = unsafe COpenSSL_SSL_CTX_set_mode(context, CLong(mode))
    // A record's header and body, and the records behind it, in one system call.
    unsafe COpenSSL_SSL_CTX_set_read_ahead(context, 1)
    unsafe SSL_CTX_set_default_read_buffer_len(context, TLSLibrary.readBufferByteCount)
    // A key that wants a passphrase is an error, not a question at the terminal.
    unsafe SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in -1 }
    unsafe SSL_CTX_set_verify_depth(context, TLSLibrary.maximumChainDepth)
    _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(context, CLong(SSL_SESS_CACHE_OFF))
  }

  deinit { unsafe SSL_CTX_free(pointer) }

  /// Proves itself with a certificate.
  func use(_ identity: TLSIdentity) throws(IOError) {
    ERR_clear_error()
    guard unsafe SSL_CTX_use_certificate_chain_file(pointer, identity.certificateFile) == 1 else {
      throw .tlsFile(identity.certificateFile, reason: TLSLibrary.takeError())
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(pointer, identity.privateKeyFile, SSL_FILETYPE_PEM) == 1,
      unsafe SSL_CTX_check_private_key(pointer) == 1
    else { throw .tlsFile(identity.privateKeyFile, reason: TLSLibrary.takeError()) }
  }

  /// Believes the authorities of a file.
  func trust(_ file: String) throws(IOError) {
    ERR_clear_error()
    guard unsafe SSL_CTX_load_verify_locations(pointer, file, nil) == 1 else {
      throw .tlsFile(file, reason: TLSLibrary.takeError())
    }
  }

  /// Debian keeps its authorities where an OpenSSL that was built elsewhere does not look.
  func trustSystem() {
    unsafe SSL_CTX_set_default_verify_paths(pointer)
    unsafe SSL_CTX_load_verify_locations(pointer, "/etc/ssl/certs/ca-certificates.crt", nil)
    ERR_clear_error()
  }

  /// The DNS names of the certificate in use.
  var names: [String] {
    guard let certificate = unsafe SSL_CTX_get0_certificate(pointer) else { return [] }
    return unsafe PeerCertificate.alternativeNames(of: certificate).dns
  }
}

/// What servers and clients share.
enum TLSLibrary {
  /// Classical groups only where the other side has no hybrid one; a server asks for a second hello to get it.
  static let groups = "*X25519MLKEM768/*X25519:secp256r1:secp384r1"
  /// For TLS 1.2, ephemeral keys and authenticated encryption only; TLS 1.3 has no other.
  static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"
  /// Four of the longest records: what is moved to the front for lack of room is then little.
  static let readBufferByteCount = 4 * 16_704
  /// Certificates between a peer's and the authority's.
  static let maximumChainDepth: CInt = 8

  /// The wire form of a list of protocols (RFC 7301 section 3.1).
  ///
  /// - Precondition: each name has 1 to 255 bytes.
  static func wireForm(_ protocols: [String]) -> [UInt8] {
    protocols.flatMap { name in
      let bytes = Array(name.utf8)
      precondition((1...255).contains(bytes.count), "a protocol's name has 1 to 255 bytes")
      return [UInt8(bytes.count)] + bytes
    }
  }

  /// This thread's first error in words; the queue is empty afterwards.
  static func takeError() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "no reason given" }
    return unsafe String(cString: text)
  }
}
