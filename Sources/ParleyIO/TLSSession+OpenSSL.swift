internal import COpenSSL

/// TLS on one connected socket.
///
/// Loop thread only.
@safe
final class TLSSession {
  enum Progress: Hashable {
    case done
    case wantsRead
    case wantsWrite
    case failed(IOError)
  }

  private let session: OpaquePointer
  // The session uses the context's certificate and trust for as long as it lives.
  private let context: AnyObject

  /// The side that accepts.
  init(server: TLSServerContext, fd: CInt) throws(IOError) {
    guard let session = unsafe SSL_new(server.context), unsafe SSL_set_fd(session, fd) == 1 else {
      throw .tls(TLSLibrary.takeError())
    }
    unsafe self.session = session
    context = server
    unsafe SSL_set_accept_state(session)
  }

  /// The side that dials `host`, a name or an address in numbers, and has the certificate prove it.
  init(client: TLSClientContext, fd: CInt, host: String) throws(IOError) {
    guard let session = unsafe SSL_new(client.context), unsafe SSL_set_fd(session, fd) == 1 else {
      throw .tls(TLSLibrary.takeError())
    }
    unsafe self.session = session
    context = client
    unsafe SSL_set_connect_state(session)
    let isSet: Bool
    if SocketAddress(host, port: 0) != nil {
      isSet = unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
    } else {
      unsafe SSL_set_hostflags(session, CUnsignedInt(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      let isNameSet = unsafe SSL_set1_host(session, host) == 1
      let isIndicationSet = unsafe COpenSSL_SSL_set_tlsext_host_name(session, host) == 1
      isSet = isNameSet && isIndicationSet
    }
    guard isSet else { throw .invalidAddress(host) }
  }

  deinit { unsafe SSL_free(session) }

  /// Goes on with the handshake.
  func handshake() -> Progress {
    ERR_clear_error()
    let result = unsafe SSL_do_handshake(session)
    guard result != 1 else { return .done }
    switch unsafe SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_SYSCALL where ERR_peek_error() == 0: return .failed(.connectionLost)
    default: return .failed(takeFailure())
    }
  }

  func receive(into buffer: UnsafeMutableRawBufferPointer) -> Descriptor.Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_read_ex(session, buffer.baseAddress, buffer.count, &count)
    return result == 1 ? .count(count) : failure(of: result)
  }

  /// Sends what it can of `bytes`, of which there is at least one.
  ///
  /// After `wouldBlock` or `wantsWrite` the next call must begin with the same bytes; where they lie may change.
  func send(_ bytes: UnsafeRawBufferPointer) -> Descriptor.Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_write_ex(session, bytes.baseAddress, bytes.count, &count)
    return result == 1 ? .count(count) : failure(of: result)
  }

  /// Bytes that are decrypted, or read from the socket, and wait here.
  var hasPending: Bool { unsafe SSL_has_pending(session) == 1 }

  /// Tells the peer that nothing more comes from this side.
  func closeNotify() {
    ERR_clear_error()
    _ = unsafe SSL_shutdown(session)
    ERR_clear_error()
  }

  /// The channel binding `tls-exporter` (RFC 9266 section 2): 32 bytes, the same at both ends and nowhere else.
  func exporter() -> [UInt8]? {
    let label = "EXPORTER-Channel-Binding"
    var bytes = [UInt8](repeating: 0, count: 32)
    let context: [UInt8] = [0]
    let result = unsafe SSL_export_keying_material(
      session, &bytes, bytes.count, label, label.utf8.count, context, 0, 1)
    return result == 1 ? bytes : nil
  }

  /// The version and key exchange group agreed, such as `TLSv1.3` and `X25519MLKEM768`.
  var parameters: (version: String, group: String) {
    let version = unsafe SSL_get_version(session).map { unsafe String(cString: $0) }
    let group = unsafe SSL_get0_group_name(session).map { unsafe String(cString: $0) }
    return (version ?? "", group ?? "")
  }

  private func failure(of result: CInt) -> Descriptor.Transfer {
    switch unsafe SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: return .wouldBlock
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_ZERO_RETURN: return .end
    case SSL_ERROR_SYSCALL where ERR_peek_error() == 0: return .failed(.connectionLost)
    default: return .failed(takeFailure())
    }
  }

  private func takeFailure() -> IOError {
    let verdict = unsafe SSL_get_verify_result(session)
    let reason = TLSLibrary.takeError()
    guard verdict != CLong(X509_V_OK) else {
      return reason == "unexpected eof while reading" ? .connectionLost : .tls(reason)
    }
    return .certificate(unsafe String(cString: X509_verify_cert_error_string(verdict)))
  }
}
