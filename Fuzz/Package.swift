// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that `swift build` at the root never needs libFuzzer. To add a target, add its name
// here and its file as Sources/NAME/NAME.swift; seeds, if it has any, go into Corpus/NAME.
let names = [
  "FuzzAuthentication",
  "FuzzBackup",
  "FuzzChain",
  "FuzzChannelStreams",
  "FuzzDID",
  "FuzzDIDDocument",
  "FuzzDIDWebVH",
  "FuzzDeflate",
  "FuzzDesk",
  "FuzzEntry",
  "FuzzFrames",
  "FuzzHTTPHead",
  "FuzzHandshake",
  "FuzzIdentityPayload",
  "FuzzInstrument",
  "FuzzJSON",
  "FuzzKeystore",
  "FuzzLibp2pConnection",
  "FuzzLibp2pNoise",
  "FuzzMessagePack",
  "FuzzMessageStream",
  "FuzzMultiaddr",
  "FuzzMultiformats",
  "FuzzMultistream",
  "FuzzNegotiationFrame",
  "FuzzNote",
  "FuzzPairSession",
  "FuzzProof",
  "FuzzRatchet",
  "FuzzReceipt",
  "FuzzRecord",
  "FuzzResumption",
  "FuzzRotationStatement",
  "FuzzStatement",
  "FuzzWebSocketMachine",
  "FuzzWitness",
  "FuzzYamux",
]

// See the Package.swift of the repository's root.
let openSSL = Context.packageDirectory + "/../.deps/openssl/lib"

let package = Package(
  name: "Fuzz",
  dependencies: [.package(name: "Parley", path: "..")],
  targets: names.map { name in
    .executableTarget(
      name: name,
      dependencies: [.product(name: "Parley", package: "Parley")],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableExperimentalFeature("Lifetimes"),
        .treatAllWarnings(as: .error),
        .unsafeFlags(["-parse-as-library"]),
      ],
      linkerSettings: [.unsafeFlags(["-L", openSSL, "-Xlinker", "-rpath", "-Xlinker", openSSL])])
  },
  swiftLanguageModes: [.v6]
)
