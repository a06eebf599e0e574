// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that `swift build` at the root never compiles it. To add a benchmark, add its name here
// and its file as Sources/NAME/NAME.swift. `BenchHandshake`, `BenchRecord`, `BenchStore`, `BenchTiming`, `BenchTrade`, `BenchWebSocket` and the two
// beside `CPlainOptions` stand with their targets below.
let names = [
  "BenchBlack76",
  "BenchJournal",
]

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

// See the Package.swift of the repository's root.
let openSSL = Context.packageDirectory + "/../.deps/openssl/lib"
let linkOpenSSL: [LinkerSetting] = [.unsafeFlags(["-L", openSSL, "-Xlinker", "-rpath", "-Xlinker", openSSL])]
// OpenSSL's headers where `scripts/bootstrap` put them; the system's where that did nothing.
let openSSLHeaders: [CSetting] = [
  .unsafeFlags(["-I", Context.packageDirectory + "/../Sources/COpenSSL/include"])
]

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "Parley", path: "..")],
  targets: [.target(name: "Measure", swiftSettings: settings)]
    + [
      .target(
        name: "CBareLoop", cSettings: openSSLHeaders,
        linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
      .target(
        name: "CRawGCM",
        cSettings: openSSLHeaders,
        linkerSettings: [.linkedLibrary("crypto")]),
      .executableTarget(
        name: "BenchRecord", dependencies: ["CRawGCM", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings, linkerSettings: linkOpenSSL),
      .target(name: "CCycles"),
      .executableTarget(
        name: "BenchTiming", dependencies: ["CCycles", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings, linkerSettings: linkOpenSSL),
      // It measures a program of the package from outside, and so depends on nothing of it.
      .executableTarget(
        name: "BenchWebSocket", dependencies: ["CBareLoop"], swiftSettings: settings, linkerSettings: linkOpenSSL),
      .target(
        name: "CHandshakePeers", cSettings: openSSLHeaders,
        linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto"), .linkedLibrary("sodium")]),
      .executableTarget(
        name: "BenchHandshake", dependencies: ["CHandshakePeers", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings, linkerSettings: linkOpenSSL),
      .target(name: "CLoopback"),
      .executableTarget(
        name: "BenchTrade", dependencies: ["CLoopback", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings, linkerSettings: linkOpenSSL),
      .target(name: "CPlainSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),
      .executableTarget(
        name: "BenchStore", dependencies: ["CPlainSQLite", "Measure", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings, linkerSettings: linkOpenSSL),
      .target(
        name: "CPlainOptions",
        linkerSettings: [.linkedLibrary("mvec", .when(platforms: [.linux])), .linkedLibrary("m")]),
    ]
    + ["BenchChain", "BenchImpliedVolatility"].map { name in
      .executableTarget(
        name: name, dependencies: ["CPlainOptions", "Measure", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings, linkerSettings: linkOpenSSL)
    }
    + names.map { name in
      .executableTarget(
        name: name,
        dependencies: ["Measure", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings,
        linkerSettings: linkOpenSSL)
    },
  swiftLanguageModes: [.v6]
)
