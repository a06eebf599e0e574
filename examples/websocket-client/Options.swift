import ParleyIO
import ParleyWebSocket

/// A command line that cannot be read: what is wrong with it, and what to do about that.
struct UsageError: Error {
  let message: String
  let hint: String

  init(_ message: String, hint: String = "see 'websocket-client --help'") {
    self.message = message
    self.hint = hint
  }
}

/// What the command line asks for.
struct Options {
  var url: WebURL?
  var authorityFile: String?
  var certificateFile: String?
  var privateKeyFile: String?
  var subprotocols: [String] = []
  var fields: [(name: String, value: String)] = []
  var compresses = false
  var keepsContext = false
  var windowBits = 15
  var fuzzingServer: String?
  var agent = "parley"

  static let help = """
    websocket-client: sends the lines of its standard input as text messages and prints the messages that come.

    Usage: websocket-client URL [options]
           websocket-client --autobahn URL [--agent NAME] [options]

      --ca FILE                for wss://, trust the authorities in this file, in PEM, and no others
      --cert FILE, --key FILE  for servers that want to know their clients: a certificate chain and its key, in PEM
      --subprotocol NAME       offer a subprotocol; may be given again, the preferred one first
      --header 'NAME: VALUE'   send a further header field; may be given again
      --deflate                offer to compress messages
      --deflate-context        and to refer back to earlier messages
      --deflate-window BITS    in windows of 2 to this power bytes, 8 to 15 (15)
      --autobahn URL           play every case of the fuzzing server there, sending back what it sends
      --agent NAME             what the fuzzing server calls this client in its reports (parley)
      --help                   this page

    A second after the end of its input it closes the connection.
    Exit codes: 0 the connection was closed, 1 it failed, 2 bad options.
    """

  /// Reads the command line; `nil` where it asks for help.
  init?(_ words: some Sequence<String>) throws(UsageError) {
    var words = words.makeIterator()
    func value(_ flag: String) throws(UsageError) -> String {
      guard let value = words.next(), !value.hasPrefix("--") else { throw UsageError("\(flag) needs a value") }
      return value
    }
    while let word = words.next() {
      switch word {
      case "--ca": authorityFile = try value(word)
      case "--cert": certificateFile = try value(word)
      case "--key": privateKeyFile = try value(word)
      case "--subprotocol": subprotocols.append(try Self.subprotocol(value(word)))
      case "--header": fields.append(try Self.field(value(word)))
      case "--deflate": compresses = true
      case "--deflate-context": keepsContext = true
      case "--deflate-window": windowBits = try Self.windowBits(value(word))
      case "--autobahn": fuzzingServer = try value(word)
      case "--agent": agent = try value(word)
      case "--help", "-h": return nil
      case _ where word.hasPrefix("-"): throw UsageError("there is no option '\(word)'")
      case _ where url != nil: throw UsageError("one URL is enough: what is '\(word)'?")
      default: url = try Self.url(word)
      }
    }
    guard compresses || (!keepsContext && windowBits == 15) else {
      throw UsageError("there is nothing to refine without compression", hint: "give --deflate too")
    }
    guard (certificateFile == nil) == (privateKeyFile == nil) else { throw UsageError("--cert and --key go together") }
    guard (url == nil) != (fuzzingServer == nil) else { throw UsageError("give a URL, or --autobahn and a URL") }
  }

  private static func url(_ text: String) throws(UsageError) -> WebURL {
    guard let url = WebURL(text), url.scheme != .https else {
      throw UsageError(
        "'\(text)' is not a WebSocket URL", hint: "such as ws://127.0.0.1:9001 or wss://example.com/feed")
    }
    return url
  }

  private static func windowBits(_ text: String) throws(UsageError) -> Int {
    guard let bits = Int(text), (8...15).contains(bits) else {
      throw UsageError("--deflate-window takes a number from 8 to 15, not '\(text)'")
    }
    return bits
  }

  private static func subprotocol(_ text: String) throws(UsageError) -> String {
    guard isToken(text) else { throw UsageError("'\(text)' cannot be the name of a subprotocol") }
    return text
  }

  /// A token of HTTP (RFC 9110 section 5.6.2).
  private static func isToken(_ text: some StringProtocol) -> Bool {
    let marks = "0123456789!#$%&'*+-.^_`|~"
    return !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || marks.contains($0)) }
  }

  private static func field(_ text: String) throws(UsageError) -> (name: String, value: String) {
    let parts = text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, isToken(parts[0]), let start = parts[1].firstIndex(where: { $0 != " " }),
      parts[1].utf8.allSatisfy({ (0x20...0x7E).contains($0) })
    else {
      throw UsageError("--header takes 'NAME: VALUE', not '\(text)'", hint: "such as 'Authorization: Bearer TOKEN'")
    }
    return (String(parts[0]), String(parts[1][start...]))
  }

  /// What to ask for and put up with: enough for the largest cases of the Autobahn suite.
  func connection() throws -> WebSocketClient.Options {
    var tls = TLSClientConfiguration(authorityFile: authorityFile)
    if let certificateFile, let privateKeyFile {
      tls.identity = TLSIdentity(certificateFile: certificateFile, privateKeyFile: privateKeyFile)
    }
    var options = WebSocketClient.Options(subprotocols: subprotocols, tls: try TLSClientContext(tls))
    options.fields = fields
    if compresses {
      var deflate = PermessageDeflate.Options()
      // By default small messages go as they are. The Autobahn suite wants all of them compressed.
      deflate.minimumByteCount = 0
      deflate.keepsSendingContext = keepsContext
      deflate.keepsReceivingContext = keepsContext
      deflate.sendingWindowBits = windowBits
      deflate.receivingWindowBits = windowBits
      options.deflate = deflate
    }
    options.limits.maximumMessageByteCount = 16 << 20
    options.limits.maximumInflatedByteCount = 16 << 20
    options.limits.maximumInflationRatio = 1_100
    options.limits.maximumFragmentCount = 131_072
    options.limits.maximumPingsPerSecond = 1_000
    options.limits.maximumBufferedByteCount = 64 << 20
    options.limits.stallTimeout = .seconds(10)
    return options
  }
}
