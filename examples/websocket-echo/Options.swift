import ParleyIO
import ParleyWebSocket

/// A command line that cannot be read: what is wrong with it, and what to do about that.
struct UsageError: Error {
  let message: String
  let hint: String

  init(_ message: String, hint: String = "see 'websocket-echo --help'") {
    self.message = message
    self.hint = hint
  }
}

/// What the command line asks for.
struct Options {
  var host = "127.0.0.1"
  var port: UInt16 = 9001
  var certificateFile: String?
  var privateKeyFile: String?
  var clientAuthorityFile: String?
  var origins: Set<String> = []
  var loopCount = 1
  var waitsBusily = false
  var broadcasts = false
  var compresses = false
  var keepsContext = false
  var windowBits = 15
  var logs = false
  var hasDefaultLimits = false
  var idleTimeout: Duration?

  static let help = """
    websocket-echo: sends every WebSocket message back as it came.

    Usage: websocket-echo [options]

      --host ADDRESS         the address to listen on, in numbers (127.0.0.1)
      --port N               the port; 0 lets the kernel choose (9001)
      --loops N              so many event loops, each with a thread and a listening socket of its own (1)
      --busy-poll            never sleep: a quicker answer for all of a core
      --broadcast            a message whose first byte is P goes to every connection, the sender's included
      --deflate              compress messages where the client offers it
      --deflate-context      refer back to earlier messages too: smaller, for 300 KiB a connection
      --deflate-window BITS  in windows of 2 to this power bytes, 8 to 15 (15)
      --tls-cert FILE        speak wss:// with this certificate chain, in PEM
      --tls-key FILE         and its private key, in PEM
      --client-ca FILE       only let in clients with a certificate of the authorities in this file, in PEM
      --origin ORIGIN        let pages of this origin connect, such as http://127.0.0.1:8000; may be given again
      --limits default       put up with no more than the library's own limits for servers that strangers reach
      --idle-timeout SECONDS close a connection on which no message has passed for so long
      --log                  say who connects and how each connection ends
      --help                 this page

    The first line of its output says where it listens. SIGINT and SIGTERM close all connections with 1001,
    SIGHUP reads the certificates again.
    """

  /// Reads the command line; `nil` where it asks for help.
  init?(_ words: some Sequence<String>) throws(UsageError) {
    var words = words.makeIterator()
    func value(_ flag: String) throws(UsageError) -> String {
      guard let value = words.next(), !value.hasPrefix("--") else { throw UsageError("\(flag) needs a value") }
      return value
    }
    func number<N: FixedWidthInteger>(_ flag: String, _ range: ClosedRange<N>) throws(UsageError) -> N {
      let text = try value(flag)
      guard let number = N(text), range.contains(number) else {
        throw UsageError("\(flag) takes a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
      }
      return number
    }
    while let word = words.next() {
      switch word {
      case "--host": host = try value(word)
      case "--port": port = try number(word, 0...65_535)
      case "--loops": loopCount = try number(word, 1...256)
      case "--busy-poll": waitsBusily = true
      case "--broadcast": broadcasts = true
      case "--deflate": compresses = true
      case "--deflate-context": keepsContext = true
      case "--deflate-window": windowBits = try number(word, 8...15)
      case "--tls-cert": certificateFile = try value(word)
      case "--tls-key": privateKeyFile = try value(word)
      case "--client-ca": clientAuthorityFile = try value(word)
      case "--origin": origins.insert(try value(word))
      case "--limits":
        let name = try value(word)
        guard name == "default" else { throw UsageError("--limits takes 'default', not '\(name)'") }
        hasDefaultLimits = true
      case "--idle-timeout": idleTimeout = .seconds(try number(word, 1...86_400) as Int)
      case "--log": logs = true
      case "--help", "-h": return nil
      default: throw UsageError("there is no option '\(word)'")
      }
    }
    guard (certificateFile == nil) == (privateKeyFile == nil) else {
      throw UsageError("--tls-cert and --tls-key go together", hint: "give both for wss://, or neither for ws://")
    }
    guard compresses || (!keepsContext && windowBits == 15) else {
      throw UsageError("there is nothing to refine without compression", hint: "give --deflate too")
    }
    guard clientAuthorityFile == nil || isSecure else {
      throw UsageError("--client-ca is for wss:// only", hint: "give --tls-cert and --tls-key too")
    }
  }

  var isSecure: Bool { certificateFile != nil }

  /// How the server listens, and what it puts up with: by itself, enough for the largest cases of the Autobahn suite.
  func configuration() throws -> WebSocketServer.Configuration {
    guard let address = SocketAddress(host, port: port) else {
      throw UsageError("--host takes an address in numbers, not '\(host)'", hint: "such as 127.0.0.1, 0.0.0.0 or ::1")
    }
    var configuration = WebSocketServer.Configuration(address: .address(address))
    if let certificateFile, let privateKeyFile {
      let identity = TLSIdentity(certificateFile: certificateFile, privateKeyFile: privateKeyFile)
      var tls = TLSServerConfiguration(identities: [identity])
      if let clientAuthorityFile { tls.clientCertificates = .required(authorityFile: clientAuthorityFile) }
      configuration.tls = try TLSServerContext(tls)
    }
    configuration.policy.allowedOrigins = origins
    if compresses {
      var deflate = PermessageDeflate.Options()
      // By default small messages go as they are. The Autobahn suite wants all of them compressed.
      deflate.minimumByteCount = 0
      deflate.keepsSendingContext = keepsContext
      deflate.keepsReceivingContext = keepsContext
      deflate.sendingWindowBits = windowBits
      deflate.receivingWindowBits = windowBits
      configuration.policy.deflate = deflate
    }
    configuration.limits.idleTimeout = idleTimeout
    guard !hasDefaultLimits else { return configuration }
    configuration.limits.maximumMessageByteCount = 16 << 20
    configuration.limits.maximumInflatedByteCount = 16 << 20
    configuration.limits.maximumInflationRatio = 1_100
    configuration.limits.maximumFragmentCount = 131_072
    configuration.limits.maximumPingsPerSecond = 1_000
    configuration.limits.maximumBufferedByteCount = 64 << 20
    configuration.limits.stallTimeout = .seconds(10)
    configuration.limits.readsWhileBehind = false
    configuration.limits.maximumConnectionCount = 20_000
    configuration.limits.maximumConnectionsPerAddress = 20_000
    configuration.limits.maximumPendingHandshakeCount = 20_000
    return configuration
  }
}
