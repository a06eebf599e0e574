import Foundation
import Parley

extension Option {
  static let home = Option("--home", "DIR", "The node's folder; default PARLEY_HOME, else ~/.parley.")
  static let json = Option("--json", "Print JSON, for programs.")
  static let passphraseFile = Option("--passphrase-file", "FILE", "Read the passphrase from a file's first line.")
  static let passphraseEnvironment = Option(
    "--passphrase-env", "NAME", "Read the passphrase from an environment variable; default PARLEY_PASSPHRASE.")
  static let resolverCA = Option(
    "--resolver-ca", "FILE", "Trust these certificates for DID documents as well as the system's.")
  static let resolverPrivate = Option(
    "--resolver-allow-private", "Let DID documents come from private addresses, which are refused by default.")
}

extension Arguments {
  var nodeHome: NodeHome { NodeHome(path: self["--home"]) }

  var passphrase: PassphraseSource {
    PassphraseSource(file: self["--passphrase-file"], environment: self["--passphrase-env"])
  }

  var resolver: IdentityResolver {
    IdentityResolver(certificateFile: self["--resolver-ca"], allowsPrivateAddresses: has("--resolver-allow-private"))
  }
}

/// How a document was verified, for a person.
private func text(_ evidence: DIDResolution.Evidence) -> String {
  switch evidence {
  case .theDIDItself:
    return "by the DID itself; nothing was fetched"
  case .server(let url):
    return "no more than that the server says so: \(url)"
  case .history(let url, let version, let witnesses):
    let approval = witnesses.map { "approved by \($0.threshold) of \($0.ids.count) witnesses" } ?? "without witnesses"
    return "signed history of \(version.number) versions, \(approval), last of \(version.time.text): \(url)"
  }
}

extension Command {
  static let initialize = Command(
    name: "init", summary: "Make an identity: an encrypted keystore and a did:peer:4.", positionals: [],
    options: [
      .home,
      Option(
        "--did", "DID", "A did:web of your own instead, did:web:HOST or did:web:HOST:PATH; you publish its document."),
      Option("--endpoint", "URL", "The address others reach this node at, ws://host:port or wss://host:port."),
      Option("--post-quantum", "Sign with ML-DSA-65 beside Ed25519; others must then check both."),
      Option("--kdf-memory", "MIB", "Argon2id memory; default 64, at least 19."),
      .passphraseFile, .passphraseEnvironment, .json,
    ],
    notes: """
      The endpoint is part of a did:peer:4: a node that moves makes a new one. A node without an endpoint can call
      others and cannot be called. A did:web keeps its name when its keys or its endpoint change; its document is left
      in the folder 'publish', to be copied to the web server.
      """
  ) { arguments in
    let home = arguments.nodeHome
    guard !home.isInitialized else { throw NodeError.alreadyInitialized(home.folder.path()) }
    let mebibytes = try arguments.parse("--kdf-memory", "a number of MiB from 19 to 1024") {
      Int($0).flatMap { (19...1024).contains($0) ? $0 : nil }
    }
    let web = try arguments.parse("--did", "a did:web") { text in
      (try? DID(parsing: text)).flatMap { $0.method == .web ? $0 : nil }
    }
    let keystore = try NodeIdentity.make(
      web: web, endpoint: arguments["--endpoint"], postQuantum: arguments.has("--post-quantum"),
      passphrase: try arguments.passphrase.read(confirming: true), kdfMemoryMiB: mebibytes ?? 64)
    try home.initialize(keystore)
    let identity = try home.publicIdentity()
    if web != nil { try home.writeDocument(identity) }
    if arguments.has("--json") {
      Terminal.print(NodeIdentity.describe(identity).serialized())
    } else {
      Terminal.print("Made \(identity.did.string)")
      Terminal.print("  keystore  \(home.keystoreFile.path())")
      Terminal.print("  keys      \(identity.mldsa65 == nil ? "Ed25519" : "Ed25519 and ML-DSA-65")")
      Terminal.print("  endpoint  \(identity.serviceEndpoint ?? "none: it can call others and cannot be called")")
      if web == nil {
        Terminal.print("'parley id' prints the long form, which is what others need to reach it.")
      } else {
        Terminal.print(
          "  publish   \(home.publishFolder.path())did.json as \((try? DIDWeb.url(for: identity.did)) ?? "")")
        Terminal.print("  tell      \(KeyFingerprint(identity)), the fingerprint that others approve it by")
      }
    }
  }

  static let identity = Command(
    name: "id", summary: "Show this node's DID, in the long form that others need.", positionals: [],
    options: [
      .home, Option("--document", "Show the DID document."),
      Option("--fingerprint", "Show the fingerprint of the keys, for others to compare."), .passphraseFile,
      .passphraseEnvironment, .json,
    ],
    notes: "The keystore's public part suffices: no passphrase is asked for."
  ) { arguments in
    let identity = try arguments.nodeHome.publicIdentity()
    if arguments.has("--fingerprint") {
      Terminal.print("\(KeyFingerprint(identity))")
    } else if arguments.has("--document") {
      Terminal.print(identity.document.json.serialized(pretty: true))
    } else if arguments.has("--json") {
      Terminal.print(NodeIdentity.describe(identity).serialized())
    } else {
      Terminal.print(NodeIdentity.longForm(identity))
    }
  }

  static let resolve = Command(
    name: "resolve", summary: "Find the document of a DID, and show how it was verified.", positionals: ["DID"],
    options: [.resolverCA, .resolverPrivate, .json],
    notes: """
      did:key, did:jwk and did:peer need nothing but themselves. The document of a did:web and the history of a
      did:webvh are fetched over HTTPS: no redirects, 64 KiB a file at most, three seconds. A history is verified
      from its first entry.
      """
  ) { arguments in
    let resolution = try await arguments.resolver.resolve(arguments.positionals[0])
    let identity = try resolution.identity()
    if arguments.has("--json") {
      var object = NodeIdentity.describe(identity).objectValue ?? [:]
      object["verified"] = NodeIdentity.describe(resolution.evidence)
      Terminal.print(JSONValue.object(object).serialized())
      return
    }
    Terminal.print("did        \(identity.did.string)")
    Terminal.print(
      "keys       \(identity.mldsa65 == nil ? "Ed25519" : "Ed25519 and ML-DSA-65") (#\(identity.keyFragment))")
    Terminal.print("finger     \(KeyFingerprint(identity))")
    Terminal.print("endpoint   \(identity.serviceEndpoint ?? "none")")
    Terminal.print("doc hash   \(identity.documentHash.hex)")
    Terminal.print("verified   \(text(resolution.evidence))")
    Terminal.print(identity.document.json.serialized(pretty: true))
  }
}
