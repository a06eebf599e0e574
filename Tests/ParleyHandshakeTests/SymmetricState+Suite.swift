import ParleyCrypto
import ParleyNoise

extension SymmetricState {
  /// The state of a protocol of this suite's algorithms, whatever it is called.
  init(protocolName: String) { self.init(protocolName: protocolName, cipher: .aesGCM, hash: .sha256) }
}
