public import Foundation
internal import ParleyCrypto
internal import ParleyIO
public import ParleyIdentity

/// The folder in which a node keeps everything that is its own.
///
///     keystore.json     the signing keys, encrypted under the passphrase
///     journal.sqlite    every message sent and received
///     control.sock      where the command line reaches the running node
///
/// The folder is readable by its owner only.
public struct NodeHome: Sendable {
  /// The folder.
  public let folder: URL

  /// The keystore file.
  public var keystoreFile: URL { folder.appending(path: "keystore.json") }
  /// The journal's database file.
  public var journal: URL { folder.appending(path: "journal.sqlite") }
  /// The running node's control socket.
  public var controlSocket: URL { folder.appending(path: "control.sock") }

  var path: String { folder.path() }
  var journalPath: String { journal.path() }
  var controlSocketPath: String { controlSocket.path() }

  /// Takes `path`, or `PARLEY_HOME`, or `~/.parley`, in this order.
  public init(path: String? = nil) {
    let chosen = path ?? ProcessInfo.processInfo.environment["PARLEY_HOME"]
    folder =
      chosen.map { URL(filePath: $0, directoryHint: .isDirectory) }
      ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".parley", directoryHint: .isDirectory)
  }

  /// Whether an identity has been made here.
  public var isInitialized: Bool { FileManager.default.fileExists(atPath: keystoreFile.path()) }

  /// Creates the folder and writes a new keystore that nobody else can read.
  ///
  /// - Throws: ``NodeError/alreadyInitialized(_:)`` rather than overwrite keys; ``NodeError/file(_:_:)``.
  public func initialize(_ keystore: Keystore) throws(NodeError) {
    guard !isInitialized else { throw .alreadyInitialized(folder.path()) }
    do {
      try FileManager.default.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw .file(folder.path(), "cannot be created: \(error.localizedDescription)")
    }
    try write(keystore.encoded, to: keystoreFile, isSecret: true)
  }

  /// Reads the keystore without opening it.
  ///
  /// - Throws: ``NodeError/notInitialized(_:)``, ``NodeError/file(_:_:)``, ``NodeError/keystore(_:)``.
  public func readKeystore() throws(NodeError) -> Keystore {
    guard isInitialized else { throw .notInitialized(folder.path()) }
    guard let file = FileManager.default.contents(atPath: keystoreFile.path()) else {
      throw .file(keystoreFile.path(), "cannot be read")
    }
    do {
      return try Keystore(parsing: [UInt8](file))
    } catch {
      throw .keystore(error)
    }
  }

  /// Who lives here, as the keystore claims it in clear.
  ///
  /// - Throws: what ``readKeystore()`` does.
  public func publicIdentity() throws(NodeError) -> PeerIdentity {
    let keystore = try readKeystore()
    do {
      return try LocalResolver.resolve(keystore.did, documentBytes: keystore.documentBytes)
    } catch {
      throw .keystore(error)
    }
  }

  /// Opens the keystore.
  ///
  /// - Throws: what ``readKeystore()`` does.
  public func openSigner(passphrase: [UInt8]) throws(NodeError) -> LocalSigner {
    let keystore = try readKeystore()
    do {
      return try keystore.open(passphrase: SecretBytes(copying: passphrase))
    } catch {
      throw .keystore(error)
    }
  }
}

/// Where a keystore's passphrase comes from.
public enum PassphraseSource: Sendable {
  /// The first line of a file.
  case file(String)
  /// An environment variable.
  case environment(String)
  /// A person at the terminal.
  case terminal

  /// Takes what was asked for: the file, else the named variable, else `PARLEY_PASSPHRASE` where it is set, else
  /// the terminal.
  public init(file: String?, environment: String?) {
    if let file {
      self = .file(file)
    } else if let environment {
      self = .environment(environment)
    } else if ProcessInfo.processInfo.environment["PARLEY_PASSPHRASE"] != nil {
      self = .environment("PARLEY_PASSPHRASE")
    } else {
      self = .terminal
    }
  }

  /// Reads the passphrase.
  ///
  /// - Parameter confirming: Asks a person twice; for a new keystore.
  /// - Returns: Its bytes, at least one.
  /// - Throws: ``NodeError/passphrase(_:)``.
  public func read(confirming: Bool = false) throws(NodeError) -> [UInt8] {
    let bytes: [UInt8]
    switch self {
    case .file(let path):
      guard let contents = FileManager.default.contents(atPath: path) else {
        throw .passphrase("the file \(path) cannot be read")
      }
      bytes = Array(contents.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
    case .environment(let name):
      guard let value = ProcessInfo.processInfo.environment[name] else {
        throw .passphrase("the environment variable \(name) is not set")
      }
      bytes = Array(value.utf8)
    case .terminal:
      guard PassphrasePrompt.isPossible else {
        throw .passphrase("there is no terminal to ask on: give --passphrase-file FILE or set PARLEY_PASSPHRASE")
      }
      bytes = PassphrasePrompt.ask("Passphrase: ") ?? []
      if confirming, PassphrasePrompt.ask("Again: ") ?? [] != bytes { throw .passphrase("the two do not match") }
    }
    guard !bytes.isEmpty else { throw .passphrase("it is empty") }
    return bytes
  }
}
