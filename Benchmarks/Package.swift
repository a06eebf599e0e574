// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that `swift build` at the root never compiles it. To add a benchmark, add its name here
// and its file as Sources/NAME/NAME.swift.
let names = [
  "BenchBlack76",
  "BenchJournal",
  "BenchStore",
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

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "Parley", path: "..")],
  targets: [.target(name: "Measure", swiftSettings: settings)]
    + names.map { name in
      .executableTarget(
        name: name,
        dependencies: ["Measure", .product(name: "Parley", package: "Parley")],
        swiftSettings: settings,
        linkerSettings: [.unsafeFlags(["-L", openSSL, "-Xlinker", "-rpath", "-Xlinker", openSSL])])
    },
  swiftLanguageModes: [.v6]
)
