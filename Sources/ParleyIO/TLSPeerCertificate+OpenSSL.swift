internal import COpenSSL
internal import ParleyCrypto
internal import ParleyWebSocket
internal import ParleyWire

extension PeerCertificate {
  /// Names of a certificate's subject, by kind.
  struct AlternativeNames {
    var dns: [String] = []
    var uris: [String] = []
    var emailAddresses: [String] = []
  }

  /// Reads a certificate that has been verified; `nil` only if OpenSSL cannot write what it has read.
  init?(verified certificate: OpaquePointer) {
    guard let bytes = unsafe Self.encode({ unsafe i2d_X509(certificate, $0) }),
      let publicKey = unsafe Self.encode({ unsafe i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), $0) }),
      let subject = unsafe Self.subject(of: certificate)
    else { return nil }
    let names = unsafe Self.alternativeNames(of: certificate)
    self.init(
      bytes: bytes, fingerprint: SHA256.hash(bytes), subject: subject, dnsNames: names.dns, uris: names.uris,
      emailAddresses: names.emailAddresses, publicKey: publicKey, notAfter: unsafe Self.notAfter(of: certificate))
  }

  /// The subject's alternative names (RFC 5280 section 4.2.1.6).
  ///
  /// A name with another character than visible ASCII, such as a NUL in its middle, is left out.
  static func alternativeNames(of certificate: OpaquePointer) -> AlternativeNames {
    var found = AlternativeNames()
    guard let all = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return found }
    let names = OpaquePointer(all)
    defer { unsafe GENERAL_NAMES_free(names) }
    for index in 0..<(unsafe COpenSSL_sk_GENERAL_NAME_num(names)) {
      guard let name = unsafe COpenSSL_sk_GENERAL_NAME_value(names, index) else { continue }
      var kind: CInt = 0
      guard let value = unsafe GENERAL_NAME_get0_value(name, &kind), [GEN_DNS, GEN_URI, GEN_EMAIL].contains(kind),
        let text = unsafe text(value.assumingMemoryBound(to: ASN1_STRING.self))
      else { continue }
      switch kind {
      case GEN_DNS: found.dns.append(text)
      case GEN_URI: found.uris.append(text)
      default: found.emailAddresses.append(text)
      }
    }
    return found
  }

  private static func text(_ string: UnsafePointer<ASN1_STRING>) -> String? {
    guard let start = unsafe ASN1_STRING_get0_data(string) else { return nil }
    let bytes = unsafe UnsafeBufferPointer(start: start, count: Int(ASN1_STRING_length(string)))
    guard unsafe bytes.allSatisfy({ (0x21...0x7E).contains($0) }), !bytes.isEmpty else { return nil }
    return unsafe String(decoding: bytes, as: UTF8.self)
  }

  private static func subject(of certificate: OpaquePointer) -> String? {
    guard let output = unsafe BIO_new(BIO_s_mem()) else { return nil }
    defer { unsafe BIO_free(output) }
    let flags = COpenSSL_XN_FLAG_RFC2253
    guard unsafe X509_NAME_print_ex(output, X509_get_subject_name(certificate), 0, flags) >= 0 else { return nil }
    var start: UnsafeMutablePointer<CChar>?
    let count = unsafe COpenSSL_BIO_get_mem_data(output, &start)
    return unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }

  private static func notAfter(of certificate: OpaquePointer) -> UnixNanoseconds {
    guard let epoch = unsafe ASN1_TIME_set(nil, 0) else { return UnixNanoseconds(0) }
    defer { unsafe ASN1_STRING_free(epoch) }
    var days: CInt = 0
    var seconds: CInt = 0
    guard unsafe ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate)) == 1 else {
      return UnixNanoseconds(0)
    }
    // The year 9999, which is the last that can be written, is past what nanoseconds can count.
    let sum = Int64(days) &* 86_400 &+ Int64(seconds)
    let (product, overflow) = sum.multipliedReportingOverflow(by: 1_000_000_000)
    return UnixNanoseconds(overflow ? (sum > 0 ? .max : .min) : product)
  }

  /// What one of OpenSSL's `i2d` functions writes.
  private static func encode(
    _ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> CInt
  ) -> [UInt8]? {
    let count = write(nil)
    guard count > 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(count))
    let written = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      // It moves the pointer that it is given.
      var position = buffer.baseAddress
      return unsafe write(&position)
    }
    return written == count ? bytes : nil
  }
}
