import Foundation

/// A command line that cannot be read.
struct UsageError: Error {
  let message: String
}

/// What the command line asks for.
struct Options {
  /// A part of the benchmark.
  enum Part: String, CaseIterable {
    case echo, latency, broadcast, tls, memory, hostile
  }

  /// The project's echo server.
  var echoPath = "../.build/release/websocket-echo"
  var peers: [Contender] = []
  var parts = Set(Part.allCases)
  var byteCounts = [32, 1_024, 16_384, 262_144]
  var connectionCounts = [64, 1_000]
  var pipelines = [1, 16]
  var isText = false
  /// Fresh processes of each server, and how often each is measured in turn with the others.
  var rounds = 3
  var slices = 5
  var sliceSeconds = 0.1
  var isQuick = false
  var printsOnlyJSON = false
  var serverCore: CInt = 0
  var clientCore: CInt = 1

  static let help = """
    BenchWebSocket: the engine's echo server against a bare epoll loop, OpenSSL alone, and any other server.

    Usage: make bench NAME=BenchWebSocket ARGS="[options]"

      --peer NAME='COMMAND'        another echo server, started on a port and a core: {port} stands for the port, and
                                   {broadcast} for --broadcast where that is measured, and for nothing elsewhere
      --peer-address NAME=IP:PORT  another echo server that runs on this machine already
      --only PART,...              of echo, latency, broadcast, tls, memory, hostile
      --sizes N,...                payload bytes (32,1024,16384,262144)
      --connections N,...          (64,1000)
      --pipeline N,...             messages that a connection sends at once (1,16)
      --text                       text messages, which the engine checks to be UTF-8 and the bare loop does not
      --rounds N                   fresh processes of each server (3)
      --slices N                   measurements of each process, in turn with the others (5)
      --seconds S                  length of one (0.1)
      --quick                      one round of 3 slices of 0.05 s, fewer settings: to try, not to quote
      --cores SERVER,CLIENT        (0,1)
      --echo PATH                  the project's echo server (../.build/release/websocket-echo)
      --json                       only the JSON object, which is otherwise the last line
      --help                       this page
    """

  /// Reads the command line; `nil` where it asks for help.
  init?(_ words: some Sequence<String>) throws {
    var words = words.makeIterator()
    func value(_ flag: String) throws -> String {
      guard let value = words.next() else { throw UsageError(message: "\(flag) needs a value") }
      return value
    }
    func numbers(_ flag: String) throws -> [Int] {
      let text = try value(flag)
      let numbers = text.split(separator: ",").compactMap { Int($0) }.filter { $0 >= 0 && $0 <= 16 << 20 }
      guard !numbers.isEmpty, numbers.count == text.split(separator: ",").count else {
        throw UsageError(message: "\(flag) takes numbers with commas between them, not '\(text)'")
      }
      return numbers
    }
    func named(_ flag: String) throws -> (name: String, value: String) {
      let text = try value(flag)
      guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
        throw UsageError(message: "\(flag) takes NAME=..., not '\(text)'")
      }
      return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
    while let word = words.next() {
      switch word {
      case "--peer":
        let (name, command) = try named(word)
        guard command.contains("{port}") else {
          throw UsageError(message: "the command of \(name) does not say where its {port} goes")
        }
        peers.append(Contender(name: name, kind: .command(command)))
      case "--peer-address":
        let (name, address) = try named(word)
        let parts = address.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else {
          throw UsageError(message: "--peer-address takes NAME=IP:PORT, not '\(address)'")
        }
        peers.append(Contender(name: name, kind: .address(host: String(parts[0]), port: port)))
      case "--only":
        let text = try value(word)
        parts = []
        for name in text.split(separator: ",") {
          guard let part = Part(rawValue: String(name)) else { throw UsageError(message: "there is no part '\(name)'") }
          parts.insert(part)
        }
      case "--sizes": byteCounts = try numbers(word).map { max($0, 1) }
      case "--connections": connectionCounts = try numbers(word).map { max($0, 1) }
      case "--pipeline": pipelines = try numbers(word).map { max($0, 1) }
      case "--text": isText = true
      case "--rounds": rounds = max(1, try numbers(word)[0])
      case "--slices": slices = max(1, try numbers(word)[0])
      case "--seconds":
        guard let seconds = Double(try value(word)), seconds > 0, seconds <= 60 else {
          throw UsageError(message: "--seconds takes a time of up to 60 seconds")
        }
        sliceSeconds = seconds
      case "--quick":
        isQuick = true
        (rounds, slices, sliceSeconds) = (1, 3, 0.05)
        (byteCounts, connectionCounts) = ([32, 16_384], [64])
      case "--cores":
        let cores = try numbers(word)
        guard cores.count == 2, cores.allSatisfy({ $0 < 1_024 }) else {
          throw UsageError(message: "--cores takes two numbers")
        }
        (serverCore, clientCore) = (CInt(cores[0]), CInt(cores[1]))
      case "--echo": echoPath = try value(word)
      case "--json": printsOnlyJSON = true
      case "--help", "-h": return nil
      default: throw UsageError(message: "there is no option '\(word)'")
      }
    }
  }
}
