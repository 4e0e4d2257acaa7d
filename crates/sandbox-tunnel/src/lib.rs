//! SSH and SFTP client over any byte stream.
