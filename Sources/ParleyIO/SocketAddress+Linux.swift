internal import Glibc

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// The address: 4 bytes (IPv4) or 16 (IPv6).
  public let bytes: [UInt8]
  /// The port; 0 asks the kernel for a free one.
  public let port: UInt16
  /// The interface of a link-local IPv6 address, else 0.
  private let scope: UInt32

  /// Reads an address in numbers, such as `127.0.0.1` or `::1`; `nil` for anything else, names included.
  public init?(_ host: String, port: UInt16) {
    var v4 = in_addr()
    var v6 = in6_addr()
    if unsafe inet_pton(AF_INET, host, &v4) == 1 {
      bytes = unsafe withUnsafeBytes(of: &v4) { unsafe [UInt8]($0) }
    } else if unsafe inet_pton(AF_INET6, host, &v6) == 1 {
      bytes = unsafe withUnsafeBytes(of: &v6) { unsafe [UInt8]($0) }
    } else {
      return nil
    }
    self.port = port
    scope = 0
  }

  /// Reads what the kernel gives; `nil` for other families.
  init?(_ storage: sockaddr_storage) {
    var storage = storage
    switch CInt(storage.ss_family) {
    case AF_INET:
      let address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in.self) }
      var raw = address.sin_addr
      bytes = unsafe withUnsafeBytes(of: &raw) { unsafe [UInt8]($0) }
      port = UInt16(bigEndian: address.sin_port)
      scope = 0
    case AF_INET6:
      let address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in6.self) }
      var raw = address.sin6_addr
      bytes = unsafe withUnsafeBytes(of: &raw) { unsafe [UInt8]($0) }
      port = UInt16(bigEndian: address.sin6_port)
      scope = address.sin6_scope_id
    default:
      return nil
    }
  }

  /// Whether the address is IPv6.
  public var isIPv6: Bool { bytes.count == 16 }

  /// The address in numbers, without the port.
  public var host: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    _ = unsafe inet_ntop(isIPv6 ? AF_INET6 : AF_INET, bytes, &text, socklen_t(text.count))
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The address and port as in a URL.
  public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Hands the address over in the kernel's form.
  func withSocketAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    if isIPv6 {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      address.sin6_scope_id = scope
      unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { unsafe $0.copyBytes(from: bytes) }
      return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
      }
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    unsafe withUnsafeMutableBytes(of: &address.sin_addr) { unsafe $0.copyBytes(from: bytes) }
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}
