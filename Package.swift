// swift-tools-version: 6.3
import PackageDescription

// One settings list for every target, so that no target is quietly less strict.
let common: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

// Library code also marks each unsafe memory access. Tests do not: every `array.span.bytes` in
// them would need the mark (Swift 6.3 counts `Span.bytes` as unsafe).
let library = common + [.strictMemorySafety()]

// `scripts/bootstrap` leaves `.deps/openssl`, a link into the user's cache, where the system's OpenSSL is
// older than 3.5. The flags stand here also where the link is absent, and then find nothing: a manifest
// that looked would be remembered by SwiftPM with what it saw the first time. Only what is linked
// (programs and tests) carries them, so that the library products stay importable.
let openSSL = Context.packageDirectory + "/.deps/openssl/lib"
let linkOpenSSL: [LinkerSetting] = [.unsafeFlags(["-L", openSSL, "-Xlinker", "-rpath", "-Xlinker", openSSL])]

// The simulator's tests break rules of the session on purpose (Sources/ParleyNegotiation/RuleBreak.swift). A release
// build has no place to ask for it.
let ruleBreaks: SwiftSetting = .define("PARLEY_RULE_BREAKS", .when(configuration: .debug))

/// A library target of the house, under the strict settings.
///
/// Rounding a `Double` calls the C library's maths, which nothing links where neither Glibc nor Foundation is imported.
func room(
  _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil, settings: [SwiftSetting] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: resources, swiftSettings: library + settings,
    linkerSettings: [.linkedLibrary("m")])
}

/// The tests of one room.
///
/// A room whose tests carry data files keeps them in `Vectors`.
func tests(
  _ room: String, _ more: [Target.Dependency] = [], vectors: Bool = false, exclude: [String] = [],
  settings: [SwiftSetting] = []
) -> Target {
  .testTarget(
    name: room + "Tests", dependencies: [.init(stringLiteral: room), "TestSupport"] + more, exclude: exclude,
    resources: vectors ? [.copy("Vectors")] : nil, swiftSettings: common + settings, linkerSettings: linkOpenSSL)
}

let package = Package(
  name: "Parley",
  products: [
    .executable(name: "parley", targets: ["parley"]),
    .library(name: "Parley", targets: ["Parley"]),
    .library(name: "ParleyWebSocket", targets: ["ParleyWebSocket", "ParleyIO"]),
    .library(name: "ParleyHandshake", targets: ["ParleyHandshake"]),
    .library(name: "ParleyPeer", targets: ["ParleyPeer"]),
    .library(name: "ParleyNegotiation", targets: ["ParleyNegotiation"]),
    .library(name: "ParleyMarket", targets: ["ParleyMarket"]),
    .library(name: "ParleyOptions", targets: ["ParleyOptions"]),
    .library(name: "ParleyJournal", targets: ["ParleyJournal"]),
    .library(name: "ParleyDesk", targets: ["ParleyDesk"]),
  ],
  targets: [
    // Floor 0: C libraries.
    .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    // Without `pkgConfig`: it would put the system's folder of libraries, with an older OpenSSL, before ours.
    .systemLibrary(name: "CSodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CLinux"),
    .target(name: "CMath"),

    // Floor 1.
    room("ParleyWire"),
    room("ParleyCrypto", ["ParleyWire", "COpenSSL", "CSodium"]),
    room("ParleyNoise", ["ParleyWire", "ParleyCrypto"]),
    room("ParleyIdentity", ["ParleyWire", "ParleyCrypto"]),

    // Floor 2: sans-IO; these do not import each other.
    room("ParleyWebSocket", ["ParleyWire", "ParleyCrypto", "CZlib"]),
    room("ParleyHandshake", ["ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyIdentity"]),
    room("ParleyPeer", ["ParleyWire", "ParleyCrypto", "ParleyNoise"]),
    room("ParleyNegotiation", ["ParleyWire", "ParleyCrypto", "ParleyIdentity"], settings: [ruleBreaks]),
    room("ParleyMarket", ["ParleyWire", "ParleyCrypto"]),
    room("ParleyOptions", ["CMath"]),
    room("ParleyJournal", ["ParleyWire", "ParleyCrypto", "ParleyIdentity"]),
    room("ParleyDesk", ["ParleyWire", "ParleyCrypto", "ParleyIdentity"]),

    // Floor 3.
    room(
      "ParleyIO", ["ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyWebSocket", "ParleyPeer", "COpenSSL", "CLinux"]),
    room("ParleyStore", ["ParleyWire", "ParleyCrypto", "ParleyJournal", "CSQLite"]),

    // Beside floor 3, for tests only: no product has it.
    room(
      "ParleySimulation", ["ParleyWire", "ParleyCrypto", "ParleyIdentity", "ParleyNegotiation"],
      settings: [ruleBreaks]),
    .executableTarget(
      name: "parley-simulation", dependencies: ["ParleySimulation"], swiftSettings: library,
      linkerSettings: linkOpenSSL),

    // Floor 4.
    room(
      "ParleyNode",
      [
        "ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyIdentity", "ParleyWebSocket", "ParleyHandshake",
        "ParleyPeer", "ParleyNegotiation", "ParleyMarket", "ParleyOptions", "ParleyJournal", "ParleyDesk", "ParleyIO",
        "ParleyStore",
      ]),
    room(
      "Parley",
      [
        "ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyIdentity", "ParleyWebSocket", "ParleyHandshake",
        "ParleyPeer", "ParleyNegotiation", "ParleyMarket", "ParleyOptions", "ParleyJournal", "ParleyDesk", "ParleyIO",
        "ParleyStore",
        "ParleyNode",
      ]),

    // Floor 5.
    .executableTarget(
      name: "parley", dependencies: ["Parley"], swiftSettings: library, linkerSettings: linkOpenSSL),

    // The WebSocket engine alone, as another package would use it.
    .executableTarget(
      name: "websocket-echo", dependencies: ["ParleyWebSocket", "ParleyIO"], path: "examples/websocket-echo",
      swiftSettings: common, linkerSettings: linkOpenSSL),
    .executableTarget(
      name: "websocket-client", dependencies: ["ParleyWebSocket", "ParleyIO"], path: "examples/websocket-client",
      swiftSettings: common, linkerSettings: linkOpenSSL),

    .target(name: "TestSupport", dependencies: ["ParleyWire"], path: "Tests/TestSupport", swiftSettings: common),
    tests("ParleyWire"),
    tests("ParleyCrypto", ["ParleyWire"]),
    tests("ParleyNoise", ["ParleyWire", "ParleyCrypto"]),
    tests("ParleyIdentity", ["ParleyWire", "ParleyCrypto"]),
    tests("ParleyWebSocket", ["ParleyWire", "ParleyCrypto"], vectors: true),
    tests("ParleyHandshake", ["ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyIdentity"]),
    tests("ParleyPeer", ["ParleyWire", "ParleyCrypto", "ParleyNoise"]),
    tests("ParleyNegotiation", ["ParleyWire", "ParleyCrypto", "ParleyIdentity"]),
    tests("ParleySimulation", ["ParleyNegotiation"], settings: [ruleBreaks]),
    tests("ParleyMarket", ["ParleyWire"]),
    tests("ParleyOptions", ["ParleyWire"], vectors: true, exclude: ["python"]),
    tests("ParleyJournal", ["ParleyWire", "ParleyCrypto", "ParleyIdentity"]),
    tests("ParleyDesk", ["ParleyWire", "ParleyCrypto", "ParleyIdentity"]),
    tests(
      "ParleyIO", ["ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyWebSocket", "ParleyPeer"], exclude: ["python"]),
    tests("ParleyStore", ["ParleyWire", "ParleyCrypto", "ParleyJournal"], exclude: ["python"]),
    tests("ParleyNode", ["Parley"]),
    .testTarget(
      name: "InteropTests", dependencies: ["TestSupport", "Parley", "parley", "websocket-echo", "websocket-client"],
      path: "Tests/Interop", exclude: ["python", "verify_receipt.py"], swiftSettings: common,
      linkerSettings: linkOpenSSL),
    .testTarget(name: "TidyTests", swiftSettings: common),
  ],
  swiftLanguageModes: [.v6]
)
