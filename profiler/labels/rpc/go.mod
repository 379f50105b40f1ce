module github.com/mayfly-profiler/mayfly/profiler/labels/rpc

go 1.26.0

require (
	github.com/mayfly-profiler/mayfly v0.0.0-20261128221647-b60f5eaac716
	google.golang.org/grpc v1.85.0
)

require (
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/mayfly-profiler/mayfly => ../../..
