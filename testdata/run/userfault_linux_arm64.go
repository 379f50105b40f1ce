package run

const sysUserfault = 282
