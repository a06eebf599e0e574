internal import ParleyIO
internal import ParleyIdentity
internal import ParleyWire

/// A strategy in another process: its connection, and what it was asked and has not answered.
///
/// It belongs to its ``Node``, and is touched on the node's loop only.
final class ExternalStrategy {
  /// A question that is not answered.
  struct Question {
    let peer: DID
    let occasion: QuoteOccasion
    let timer: ScheduledWork
  }

  private var client: LineConnection?
  private var questions: [String: Question] = [:]
  private var asked = 0

  /// Whether a strategy is there.
  var isAttached: Bool { client != nil }

  /// Whether it is this one.
  func isClient(_ connection: LineConnection) -> Bool { client === connection }

  /// Takes a connection that has not ended.
  ///
  /// - Returns: Whether no other one is there.
  func attach(_ connection: LineConnection) -> Bool {
    guard !connection.isClosed, client == nil || client === connection else { return false }
    client = connection
    return true
  }

  /// Lets a connection go.
  ///
  /// - Returns: What it leaves unanswered; `nil` when it is not the strategy's.
  func detach(_ number: ObjectIdentifier) -> [Question]? {
    guard let client, ObjectIdentifier(client) == number else { return nil }
    self.client = nil
    defer { questions = [:] }
    for question in questions.values { question.timer.cancel() }
    return Array(questions.values)
  }

  /// The id of the next question.
  func nextNumber() -> String {
    asked += 1
    return "\(asked)"
  }

  /// Notes a question.
  ///
  /// An earlier one about the same dialogue is void: its answer must not meet what it was not about.
  func note(_ question: Question, _ number: String) {
    for (earlier, other) in questions where other.occasion.dialogue == question.occasion.dialogue {
      other.timer.cancel()
      questions[earlier] = nil
    }
    questions[number] = question
  }

  /// The question of that id; `nil` when it is answered, late or void.
  func question(_ number: String) -> Question? { questions[number] }

  /// Takes a question off the list.
  func take(_ number: String) -> Question? {
    guard let question = questions.removeValue(forKey: number) else { return nil }
    question.timer.cancel()
    return question
  }

  /// Tells the strategy something, if it is there.
  func tell(_ event: String, _ members: JSONObject) {
    var parameters = members
    parameters["event"] = .string(event)
    let line: JSONValue = ["jsonrpc": "2.0", "method": "strategy", "params": .object(parameters)]
    client?.send(line: Array(line.serialized().utf8))
  }
}
