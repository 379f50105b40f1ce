package run

const sysUserfault = 323
