/// Why an entry of the log of a did:webvh does not count; every entry behind it does not count either.
public enum WebVHFault: Error, Hashable, Sendable {
  /// The line is no JSON object of exactly `versionId`, `versionTime`, `parameters`, `state` and `proof`, or this part of
  /// it has the wrong type.
  case malformed(String)
  /// `versionId` is not the next number, a dash and a hash.
  case versionID
  /// The hash in `versionId` is not that of the entry and its predecessor's `versionId`.
  case entryHash
  /// The SCID is not the hash of the first entry, or not that of the DID.
  case scid
  /// `versionTime` is no time in UTC, or not later than that of the entry before.
  case versionTime
  /// `versionTime` lies further in the future than clocks may differ.
  case fromTheFuture
  /// This parameter is missing, unknown, of the wrong type, or not allowed to change so.
  case parameter(String)
  /// A proof is missing, malformed, of another cryptosuite or not valid.
  case proof
  /// A proof is by a key that the active `updateKeys` do not list.
  case unauthorizedKey
  /// A key in `updateKeys` is not among those that the entry before has promised.
  case unpromisedKey
  /// `state` has no `id` of this history's SCID.
  case stateID
  /// The DID moved although the history is not portable, or without its old name in `alsoKnownAs`.
  case moved
  /// Too few of the witnesses that the entry needs have signed it or a later one.
  case notWitnessed(have: Int, threshold: Int)
  /// The file of the witnesses is missing, too long or not what the specification says.
  case witnessFile
  /// The DID was deactivated before.
  case deactivated
}
