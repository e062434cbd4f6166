package ring

// ErrBusyForTests is what operations return inside when others changed the queue
// too often.
var ErrBusyForTests = errAgain
