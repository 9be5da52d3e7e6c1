"""What tests of several folders share: benches, fakes and small servers. It holds no tests."""
