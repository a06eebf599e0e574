/// A value that one loop's thread alone touches, in memory of its own.
///
/// A class checks while the program runs that no two accesses to a property overlap. On the path of every message that is a
/// tenth of the time; what is kept here is not checked. So: an access to `value` must not last over a call that may come back
/// to the same cell.
@safe
struct Cell<Value: ~Copyable>: ~Copyable {
  private let pointer: UnsafeMutablePointer<Value>

  init(_ value: consuming Value) {
    unsafe pointer = .allocate(capacity: 1)
    unsafe pointer.initialize(to: value)
  }

  deinit {
    unsafe pointer.deinitialize(count: 1)
    unsafe pointer.deallocate()
  }

  var value: Value {
    @inline(__always) _read { yield unsafe pointer.pointee }
    @inline(__always) nonmutating _modify { yield unsafe &pointer.pointee }
  }
}
