extension PermessageDeflate {
  /// The four parameters of one element of `Sec-WebSocket-Extensions` (section 7.1).
  private struct Parameters {
    var serverNoContextTakeover = false
    var clientNoContextTakeover = false
    var serverMaximumWindowBits: Int?
    /// `.some(nil)` where the parameter stands without a value, as it may in an offer.
    var clientMaximumWindowBits: Int??

    /// Reads them; `nil` for an unknown parameter, one that is there twice, one with a value that it must not have or
    /// without one that it must.
    init?(_ element: ExtensionOffer, isAnswer: Bool) {
      var seen: Set<String> = []
      for parameter in element.parameters {
        guard seen.insert(parameter.name).inserted else { return nil }
        switch (parameter.name, parameter.value) {
        case ("server_no_context_takeover", nil): serverNoContextTakeover = true
        case ("client_no_context_takeover", nil): clientNoContextTakeover = true
        case ("client_max_window_bits", nil) where !isAnswer: clientMaximumWindowBits = .some(nil)
        case ("client_max_window_bits", let value?):
          guard let bits = Self.bits(value) else { return nil }
          clientMaximumWindowBits = bits
        case ("server_max_window_bits", let value?):
          guard let bits = Self.bits(value) else { return nil }
          serverMaximumWindowBits = bits
        default: return nil
        }
      }
    }

    /// 8 to 15, in decimal and without a leading zero.
    private static func bits(_ value: String) -> Int? {
      guard !value.hasPrefix("0"), let bits = HTTPSyntax.decimal(value, maximumDigits: 2), windowBits.contains(bits)
      else { return nil }
      return bits
    }
  }

  // MARK: As a server

  /// Takes the first offer of this extension that a server with these options can meet; `nil` if there is none.
  ///
  /// An offer with a parameter that section 7.1 does not allow is passed over, and the client's next one looked at.
  static func accept(_ offers: [ExtensionOffer], _ options: Options) -> (agreement: Agreement, answer: String)? {
    for offer in offers where offer.name == name {
      guard let offered = Parameters(offer, isAnswer: false) else { continue }
      var agreement = Agreement(
        serverNoContextTakeover: offered.serverNoContextTakeover || !options.keepsSendingContext,
        clientNoContextTakeover: offered.clientNoContextTakeover || !options.keepsReceivingContext,
        serverMaximumWindowBits: min(offered.serverMaximumWindowBits ?? 15, options.sendingWindowBits))
      switch offered.clientMaximumWindowBits {
      case .some(let hint): agreement.clientMaximumWindowBits = min(hint ?? 15, options.receivingWindowBits)
      // A client that did not offer to limit its window must not be told to. Without context the window is the pool's.
      case nil: if options.receivingWindowBits < 15 { agreement.clientNoContextTakeover = true }
      }
      return (agreement, answer(agreement, namesServerWindow: offered.serverMaximumWindowBits != nil))
    }
    return nil
  }

  private static func answer(_ agreement: Agreement, namesServerWindow: Bool) -> String {
    var text = name
    if agreement.serverNoContextTakeover { text += "; server_no_context_takeover" }
    if agreement.clientNoContextTakeover { text += "; client_no_context_takeover" }
    if namesServerWindow || agreement.serverMaximumWindowBits < 15 {
      text += "; server_max_window_bits=\(agreement.serverMaximumWindowBits)"
    }
    // Below 15 only where the client offered it.
    if agreement.clientMaximumWindowBits < 15 {
      text += "; client_max_window_bits=\(agreement.clientMaximumWindowBits)"
    }
    return text
  }

  // MARK: As a client

  /// The offer of a client with these options.
  static func offer(_ options: Options) -> String {
    var text = name
    if !options.keepsReceivingContext { text += "; server_no_context_takeover" }
    if !options.keepsSendingContext { text += "; client_no_context_takeover" }
    if options.receivingWindowBits < 15 { text += "; server_max_window_bits=\(options.receivingWindowBits)" }
    text += "; client_max_window_bits"
    if options.sendingWindowBits < 15 { text += "=\(options.sendingWindowBits)" }
    return text
  }

  /// What the server's answer to ``offer(_:)`` agrees to; `nil` if it agrees to nothing.
  ///
  /// - Throws: `unofferedExtension` or `invalidExtensionAnswer`; the connection must then fail.
  static func agreement(
    answeredBy elements: [ExtensionOffer], to options: Options?
  ) throws(HTTPError) -> Agreement? {
    guard let element = elements.first else { return nil }
    guard let options, elements.allSatisfy({ $0.name == name }) else { throw .unofferedExtension }
    guard elements.count == 1, let answer = Parameters(element, isAnswer: true) else { throw .invalidExtensionAnswer }
    let serverBits = answer.serverMaximumWindowBits ?? 15
    let clientBits = (answer.clientMaximumWindowBits ?? nil) ?? 15
    // What was asked for must have been granted. What this end said of itself were hints, which a server may ignore.
    guard answer.serverNoContextTakeover || options.keepsReceivingContext, serverBits <= options.receivingWindowBits
    else { throw .invalidExtensionAnswer }
    return Agreement(
      serverNoContextTakeover: answer.serverNoContextTakeover,
      clientNoContextTakeover: answer.clientNoContextTakeover || !options.keepsSendingContext,
      serverMaximumWindowBits: serverBits, clientMaximumWindowBits: min(clientBits, options.sendingWindowBits))
  }
}
