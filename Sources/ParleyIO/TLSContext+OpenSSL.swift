internal import COpenSSL

/// The certificate and key with which a server speaks TLS 1.3.
@safe
public final class TLSServerContext: @unchecked Sendable {
  let context: OpaquePointer

  /// Reads a certificate chain and its private key, both in PEM.
  ///
  /// - Parameters:
  ///   - certificateFile: the server's certificate, then those that lead to the root.
  ///   - privateKeyFile: the certificate's key, not encrypted.
  /// - Throws: `tlsFile`.
  public init(certificateFile: String, privateKeyFile: String) throws(IOError) {
    unsafe context = try TLSLibrary.makeContext(TLS_server_method())
    guard unsafe SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
      throw .tlsFile(certificateFile, reason: TLSLibrary.takeError())
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(context, privateKeyFile, SSL_FILETYPE_PEM) == 1,
      unsafe SSL_CTX_check_private_key(context) == 1
    else { throw .tlsFile(privateKeyFile, reason: TLSLibrary.takeError()) }
    // Every connection makes a full handshake: no tickets, no cache.
    unsafe SSL_CTX_set_num_tickets(context, 0)
    _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(context, CLong(SSL_SESS_CACHE_OFF))
  }

  deinit { unsafe SSL_CTX_free(context) }
}

/// Whom a client trusts to say who a server is.
@safe
public final class TLSClientContext: @unchecked Sendable {
  let context: OpaquePointer

  /// Trusts the authorities of the system or, if a file is given, those in it and no other.
  ///
  /// - Parameters:
  ///   - authorityFile: certificates in PEM, or `nil` for the system's.
  ///   - addsSystemTrust: whether the system's authorities are trusted beside those of the file.
  /// - Throws: `tlsFile`.
  public init(authorityFile: String? = nil, addsSystemTrust: Bool = false) throws(IOError) {
    unsafe context = try TLSLibrary.makeContext(TLS_client_method())
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    if let authorityFile {
      guard unsafe SSL_CTX_load_verify_locations(context, authorityFile, nil) == 1 else {
        throw .tlsFile(authorityFile, reason: TLSLibrary.takeError())
      }
    }
    if authorityFile == nil || addsSystemTrust {
      unsafe TLSLibrary.trustSystem(context)
    }
  }

  deinit { unsafe SSL_CTX_free(context) }
}

/// What the two contexts share.
enum TLSLibrary {
  /// Classical groups only where the other side has no hybrid one; a server asks for a second hello to get it.
  private static let groups = "*X25519MLKEM768/*X25519:secp256r1:secp384r1"

  static func makeContext(_ method: OpaquePointer?) throws(IOError) -> OpaquePointer {
    guard let context = unsafe SSL_CTX_new(method) else { throw .tls(takeError()) }
    precondition(unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1)
    precondition(unsafe COpenSSL_SSL_CTX_set1_groups_list(context, groups) == 1, "OpenSSL 3.5 is needed")
    let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS
    _ = unsafe COpenSSL_SSL_CTX_set_mode(context, CLong(mode))
    return unsafe context
  }

  /// Debian keeps its authorities where an OpenSSL that was built elsewhere does not look.
  static func trustSystem(_ context: OpaquePointer) {
    unsafe SSL_CTX_set_default_verify_paths(context)
    unsafe SSL_CTX_load_verify_locations(context, "/etc/ssl/certs/ca-certificates.crt", nil)
    ERR_clear_error()
  }

  /// This thread's first error in words; the queue is empty afterwards.
  static func takeError() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "no reason given" }
    return unsafe String(cString: text)
  }
}
