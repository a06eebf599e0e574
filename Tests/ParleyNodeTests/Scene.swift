import Foundation
import ParleyCrypto
import ParleyIO
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNode

/// A folder that Python serves over HTTPS as `https://localhost:PORT`, under a certificate made for the occasion.
final class WebSite: @unchecked Sendable {
  static let python = SharedVectors.root.appending(path: ".deps/venv/bin/python")
  static let isPossible = FileManager.default.isExecutableFile(atPath: python.path())

  private let process: ChildProcess
  private let folder: URL
  let port: Int64
  let authority: String

  init(in folder: URL) async throws {
    self.folder = folder.appending(path: "site/.well-known")
    try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    let script = SharedVectors.root.appending(path: "Tests/ParleyIOTests/python/make_certificate.py").path()
    let make = try Self.launch([script, folder.path()], folder.appending(path: "certificates.out"))
    while make.isRunning { try await Task.sleep(for: .milliseconds(5)) }
    guard make.wait() == 0 else { throw Fault("no certificate") }
    authority = folder.appending(path: "name-ca.pem").path()
    let serve = """
      import http.server, ssl, sys, functools
      handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
      server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
      context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
      context.load_cert_chain(sys.argv[2], sys.argv[3])
      server.socket = context.wrap_socket(server.socket, server_side=True)
      print(server.server_address[1], flush=True)
      server.serve_forever()
      """
    let output = folder.appending(path: "server.out")
    process = try Self.launch(
      [
        "-c", serve, folder.appending(path: "site").path(), folder.appending(path: "name.pem").path(),
        folder.appending(path: "name.key").path(),
      ], output)
    while process.isRunning {
      let text = try String(contentsOf: output, encoding: .utf8)
      if text.hasSuffix("\n"), let port = Int64(text.dropLast()) {
        self.port = port
        return
      }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw Fault("the web server has ended")
  }

  deinit { stop() }

  /// Ends the server; whoever asks it finds nobody.
  func stop() {
    process.kill()
    process.wait()
  }

  /// Starts Python; what it prints goes to a file, so that nobody has to wait for it on a thread.
  private static func launch(_ words: [String], _ output: URL) throws -> ChildProcess {
    guard let nothing = FileHandle(forUpdatingAtPath: "/dev/null") else { throw Fault("no /dev/null") }
    try Data().write(to: output)
    let printed = try FileHandle(forWritingTo: output)
    return try ChildProcess(
      program: python.path(), arguments: words,
      environment: ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" },
      standardInput: nothing.fileDescriptor, standardOutput: printed.fileDescriptor,
      standardError: nothing.fileDescriptor)
  }

  /// Puts a file where everybody can see it, in one step.
  func publish(_ bytes: [UInt8], as name: String) throws {
    try Data(bytes).write(to: folder.appending(path: name), options: .atomic)
  }

  func withdraw(_ name: String) { try? FileManager.default.removeItem(at: folder.appending(path: name)) }
}

/// Nodes in one folder, a web server beside them, and one did:web that several may claim to be.
final class Scene: @unchecked Sendable {
  static let passphrase = Array("correct horse".utf8)

  let folder: URL
  let site: WebSite
  let did: String
  private var listeners: [String: ListeningSocket] = [:]
  private var changes: [String: (inout NodeConfiguration) -> Void] = [:]

  private init() async throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "parley-scene-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    site = try await WebSite(in: folder)
    did = "did:web:localhost%3A\(site.port)"
  }

  static func with(_ body: (Scene) async throws -> Void) async throws {
    let scene = try await Scene()
    defer { try? FileManager.default.removeItem(at: scene.folder) }
    try await body(scene)
  }

  func home(_ name: String) -> NodeHome { NodeHome(path: folder.appending(path: name).path()) }

  var resolver: IdentityResolver { IdentityResolver(certificateFile: site.authority, allowsPrivateAddresses: true) }

  /// A node that is the did:web, with keys of its own, and its document published.
  func web(_ name: String) async throws -> Node {
    let listener = try ListeningSocket()
    listeners[name] = listener
    let home = home(name)
    try home.initialize(
      Keystore.create(
        passphrase: SecretBytes(copying: Self.passphrase), web: DID(parsing: did),
        endpoint: "ws://127.0.0.1:\(listener.address.port)", cost: .minimum))
    try home.writeDocument(home.publicIdentity())
    try publish(from: name)
    return try await start(name)
  }

  /// A node that is a did:peer:4.
  func plain(
    _ name: String, listens: Bool = false, _ change: @escaping (inout NodeConfiguration) -> Void = { _ in }
  ) async throws -> Node {
    if listens { listeners[name] = try ListeningSocket() }
    changes[name] = change
    try home(name).initialize(
      Keystore.create(
        passphrase: SecretBytes(copying: Self.passphrase),
        endpoint: listeners[name].map { "ws://127.0.0.1:\($0.address.port)" }, cost: .minimum))
    return try await start(name)
  }

  /// Starts a stopped node again, in a copy of its home: a process gives its journal free only when it ends.
  func restart(_ name: String) async throws -> Node {
    let again = name + "-again"
    try FileManager.default.copyItem(at: home(name).folder, to: home(again).folder)
    listeners[again] = listeners[name]
    changes[again] = changes[name]
    return try await start(again)
  }

  /// A taker that has approved the did:web and is connected to it, and looks at its document all the time.
  func watcher(of maker: Node, grace: Duration = .seconds(60)) async throws -> Node {
    let taker = try await plain("taker") {
      $0.resolutionTimes.interval = .milliseconds(150)
      $0.resolutionTimes.retry = .milliseconds(50)
      $0.resolutionTimes.grace = grace
    }
    _ = try await taker.approve(did, fingerprint: "\(KeyFingerprint(maker.identity))")
    _ = try await taker.connect(did)
    return taker
  }

  func start(_ name: String) async throws -> Node {
    var configuration = NodeConfiguration(home: home(name), resolver: resolver, log: .standardError(.error))
    configuration.listen = listeners[name].map { .descriptor($0.descriptor) }
    if name.hasPrefix("maker") { configuration.allowsAnyone = changes[name] == nil }
    // Every resolution looks again.
    configuration.resolverLimits.lifetime = .zero
    configuration.resolverLimits.staleLifetime = .zero
    configuration.resolverLimits.failureLifetime = .zero
    configuration.resolverLimits.hostInterval = .zero
    changes[name]?(&configuration)
    return try await Node.start(configuration, signer: home(name).openSigner(passphrase: Self.passphrase))
  }

  /// Copies what a node's owner would copy to the web server.
  func publish(from name: String) throws {
    for file in ["did.json", RotationList.fileName] {
      let place = home(name).publishFolder.appending(path: file).path()
      if let bytes = FileManager.default.contents(atPath: place) { try site.publish([UInt8](bytes), as: file) }
    }
  }

  /// The error that `body` ends with; `nil` if it does not.
  func failure<T>(_ body: () async throws -> T) async -> NodeError? {
    do {
      _ = try await body()
      return nil
    } catch {
      return error as? NodeError
    }
  }
}
