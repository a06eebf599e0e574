import ParleyWire
import Testing

@testable import ParleyCrypto

/// A Wycheproof file: groups of tests, each with its own shape.
struct Wycheproof<Group: Decodable>: Decodable {
  let testGroups: [Group]
}

/// An ACVP file, questions and answers joined.
typealias ACVP = Wycheproof

/// Reads hexadecimal that a test wrote or a vector file holds.
func bytes(_ hex: String) throws -> [UInt8] { try #require([UInt8](hex: hex)) }

extension SecretBytes {
  convenience init(hex: String) throws { self.init(copying: try bytes(hex)) }

  /// The bytes, for comparison in a test.
  var copied: [UInt8] { withBytes { [UInt8]($0) } }
}
