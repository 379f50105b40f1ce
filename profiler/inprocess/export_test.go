package inprocess

// HelperOf is the pid of a flight recorder's helper.
func HelperOf(f *FlightRecorder) int { return f.session.helper.PID }
